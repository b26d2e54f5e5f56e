#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "muster/base/clock.h"

namespace muster::telemetry {

/// Lets through a bounded rate of log lines, so that an overload cannot add the cost of its own log
/// to itself, and counts the others: a token bucket that holds one second's worth. Not thread-safe:
/// one per loop.
///
///   if (auto left_out = limiter.Admit(now)) Log(..., {{"left_out", std::to_string(*left_out)}});
class LogLimiter {
 public:
  explicit LogLimiter(double lines_per_second)
      : rate_(lines_per_second), tokens_(lines_per_second) {}

  /// None: do not log. Else how many were left out since the last that was let through.
  std::optional<std::uint64_t> Admit(base::TimePoint now) {
    tokens_ = std::min(rate_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
    last_ = now;
    if (tokens_ < 1) {
      ++left_out_;
      return std::nullopt;
    }
    tokens_ -= 1;
    return std::exchange(left_out_, 0);
  }

 private:
  const double rate_;
  double tokens_;
  base::TimePoint last_{};
  std::uint64_t left_out_ = 0;
};

}  // namespace muster::telemetry
