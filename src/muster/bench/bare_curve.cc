#include "muster/bench/bare_curve.h"

#include <algorithm>

namespace muster::bench {

std::string Split::Name() const {
  return std::to_string(instances) + "×" + std::to_string(threads);
}

CurveEnd EndOf(std::span<const BarePoint> points, base::Duration longest_run) {
  if (points.empty()) return CurveEnd::kComplete;
  if (points.back().median > longest_run) return CurveEnd::kLongRun;
  constexpr std::size_t kInARow = 2;
  if (points.size() <= kInARow) return CurveEnd::kComplete;
  double best = 0;
  std::size_t without_gain = 0;
  for (const BarePoint& point : points) {
    without_gain = point.rows_per_s < best * (1 + kSameRate) ? without_gain + 1 : 0;
    best = std::max(best, point.rows_per_s);
  }
  return without_gain >= kInARow ? CurveEnd::kGain : CurveEnd::kComplete;
}

const BarePoint* BestOf(std::span<const BarePoint> points) {
  const auto best = std::ranges::max_element(points, {}, &BarePoint::rows_per_s);
  return best == points.end() ? nullptr : &*best;
}

const BarePoint* KneeOf(std::span<const BarePoint> points) {
  const BarePoint* best = BestOf(points);
  const BarePoint* knee = best;
  for (const BarePoint& point : points) {
    if (point.rows_per_s < best->rows_per_s * (1 - kSameRate)) continue;
    if (point.batch_size < knee->batch_size) knee = &point;
  }
  return knee;
}

std::vector<std::int64_t> DoublingSizes(std::int64_t largest) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size <= largest; size *= 2) sizes.push_back(size);
  return sizes;
}

}  // namespace muster::bench
