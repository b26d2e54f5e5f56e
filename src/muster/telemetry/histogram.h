#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "muster/base/clock.h"

namespace muster::telemetry {

/// A copy of a Histogram's counts to ask questions of.
struct HistogramSnapshot {
  std::vector<std::uint64_t> counts;  // per bucket
  std::uint64_t count = 0;
  std::uint64_t sum = 0;  // of the recorded values
  std::uint64_t max = 0;

  /// Nearest-rank percentile, p in (0, 100]: the value of the ⌈p/100·count⌉-th smallest recording,
  /// at most 1 % off, never above max, exact for p = 100; 0 when empty.
  std::uint64_t Percentile(double p) const;
  double mean() const {
    return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count);
  }
  /// Recordings ≤ value; those less than 1/64 above it may count too. Exact below 128.
  std::uint64_t CountAtOrBelow(std::uint64_t value) const;
  HistogramSnapshot& operator+=(const HistogramSnapshot& other);
};

/// A log-linear histogram of non-negative integers (nanoseconds, rows): each power of two is cut
/// into 64 equal buckets whose midpoints are ≤ 1/128 off (the layout of HdrHistogram,
/// hdrhistogram.org). Exact below 128. Record is lock-free and may be called from any thread.
class Histogram {
 public:
  void Record(std::uint64_t value);
  void Record(base::Duration d) {
    Record(d.count() < 0 ? 0u : static_cast<std::uint64_t>(d.count()));
  }
  HistogramSnapshot Snapshot() const;

 private:
  friend struct HistogramSnapshot;
  static constexpr int kSubBits = 6;
  static constexpr int kMaxBits = 44;  // ≈ 4.9 h in nanoseconds; larger values count as that
  static constexpr std::size_t kBuckets = (kMaxBits - kSubBits + 1) << kSubBits;
  static std::size_t BucketOf(std::uint64_t value);
  static std::uint64_t LowerBound(std::size_t bucket);
  static std::uint64_t UpperBound(std::size_t bucket);  // inclusive

  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace muster::telemetry
