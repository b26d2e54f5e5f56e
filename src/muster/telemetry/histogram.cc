#include "muster/telemetry/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "muster/base/result.h"

namespace muster::telemetry {

// A value of n > 7 bits is known by its upper 7: the leading one and kSubBits below it. Values
// below 128 have nothing to drop and are buckets of their own; each further bit adds 64 buckets.
std::size_t Histogram::BucketOf(std::uint64_t value) {
  const int dropped = std::max(0, static_cast<int>(std::bit_width(value)) - (kSubBits + 1));
  return (static_cast<std::size_t>(dropped) << kSubBits) + (value >> dropped);
}

std::uint64_t Histogram::LowerBound(std::size_t bucket) {
  if (bucket < (2u << kSubBits)) return bucket;
  const std::size_t dropped = (bucket >> kSubBits) - 1;
  return (bucket - (dropped << kSubBits)) << dropped;
}

std::uint64_t Histogram::UpperBound(std::size_t bucket) { return LowerBound(bucket + 1) - 1; }

void Histogram::Record(std::uint64_t value) {
  value = std::min(value, (std::uint64_t{1} << kMaxBits) - 1);
  std::uint64_t max = max_.load(std::memory_order_relaxed);
  while (value > max && !max_.compare_exchange_weak(max, value, std::memory_order_relaxed)) {
  }
  sum_.fetch_add(value, std::memory_order_relaxed);
  // Last, and released: a snapshot that counts this value has its maximum and sum too.
  counts_[BucketOf(value)].fetch_add(1, std::memory_order_release);
}

HistogramSnapshot Histogram::Snapshot() const {
  HistogramSnapshot snapshot;
  snapshot.counts.reserve(kBuckets);
  for (const auto& count : counts_) {
    snapshot.counts.push_back(count.load(std::memory_order_acquire));
    snapshot.count += snapshot.counts.back();
  }
  snapshot.sum = sum_.load(std::memory_order_relaxed);
  snapshot.max = max_.load(std::memory_order_relaxed);
  return snapshot;
}

std::uint64_t HistogramSnapshot::Percentile(double p) const {
  MUSTER_CHECK(p > 0 && p <= 100, "a percentile is in (0, 100]");
  if (count == 0) return 0;
  // A hair less, so that 99.9 % of 1000, which no double is, stays rank 999.
  const double exact = p * static_cast<double>(count) / 100 * (1 - 1e-12);
  const std::uint64_t rank =
      std::clamp(static_cast<std::uint64_t>(std::ceil(exact)), std::uint64_t{1}, count);
  if (rank == count) return max;
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while ((seen += counts[bucket]) < rank) ++bucket;
  return std::min(max, std::midpoint(Histogram::LowerBound(bucket), Histogram::UpperBound(bucket)));
}

std::uint64_t HistogramSnapshot::CountAtOrBelow(std::uint64_t value) const {
  if (value >= max) return count;
  std::uint64_t seen = 0;
  const std::size_t last = Histogram::BucketOf(value);
  for (std::size_t bucket = 0; bucket <= last; ++bucket) seen += counts[bucket];
  return seen;
}

HistogramSnapshot& HistogramSnapshot::operator+=(const HistogramSnapshot& other) {
  counts.resize(std::max(counts.size(), other.counts.size()));
  for (std::size_t i = 0; i < other.counts.size(); ++i) counts[i] += other.counts[i];
  count += other.count;
  sum += other.sum;
  max = std::max(max, other.max);
  return *this;
}

}  // namespace muster::telemetry
