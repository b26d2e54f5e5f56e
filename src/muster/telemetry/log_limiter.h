#pragma once

#include <cstdint>
#include <optional>

#include "muster/base/clock.h"

namespace muster::telemetry {

/// Lets through a bounded number of log lines a second, so that an overload cannot add the cost of
/// its own log to itself, and counts the others. Not thread-safe: one per loop.
///
///   if (auto left_out = limiter.Admit(now)) Log(..., {{"left_out", std::to_string(*left_out)}});
class LogLimiter {
 public:
  explicit LogLimiter(std::uint64_t lines_per_second) : limit_(lines_per_second) {}

  /// None: do not log. Else how many were left out since the last that was let through.
  std::optional<std::uint64_t> Admit(base::TimePoint now) {
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      written_ = 0;
    }
    if (written_ >= limit_) {
      ++left_out_;
      return std::nullopt;
    }
    ++written_;
    const std::uint64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  const std::uint64_t limit_;
  base::TimePoint second_{};
  std::uint64_t written_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace muster::telemetry
