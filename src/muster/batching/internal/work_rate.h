#pragma once

#include <chrono>
#include <cmath>

#include "muster/base/clock.h"

namespace muster::batching {

/// How much work arrives per unit of time: an average whose memory fades with kMemory.
class WorkRate {
 public:
  static constexpr base::Duration kMemory = std::chrono::milliseconds(200);

  /// `work` (nanoseconds of an instance) was offered at `now`.
  void Add(double work, base::TimePoint now) {
    Fade(now);
    work_ += work;
  }
  /// Instances that would be busy.
  double At(base::TimePoint now) {
    Fade(now);
    return work_ / static_cast<double>(kMemory.count());
  }

 private:
  // Not for every request: within a millisecond the memory fades by half a percent.
  void Fade(base::TimePoint now) {
    if (now - last_ < std::chrono::milliseconds(1)) return;
    const auto gap = static_cast<double>((now - last_).count());
    last_ = now;
    if (work_ > 0) work_ *= std::exp(-gap / static_cast<double>(kMemory.count()));
  }

  double work_ = 0;
  base::TimePoint last_{};
};

}  // namespace muster::batching
