#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "muster/base/clock.h"

namespace muster::bench {

/// How a model is run in parallel: `instances` runs at the same time, each of `threads` threads.
struct Split {
  int instances = 1;
  int threads = 1;
  bool operator==(const Split&) const = default;
  /// "2×1": instances × threads.
  std::string Name() const;
};

/// What runs of `batch_size` rows did, all instances of a Split running at the same time.
struct BarePoint {
  std::int64_t batch_size = 1;
  double rows_per_s = 0;  ///< of all instances together
  base::Duration median{0};
  base::Duration p99{0};  ///< nearest rank: the longest where there were fewer than 100 runs
  std::uint64_t runs = 0;
  std::int64_t checked_rows = 0;  ///< compared with the same rows run alone
};

/// Why a curve has no larger batch.
enum class CurveEnd : std::uint8_t {
  kComplete,  ///< all sizes were measured
  kGain,      ///< the last two gained less than 3 % over the best before
  kLongRun,   ///< the last run was longer than the limit
};

/// One Split at growing batch sizes.
struct BareCurve {
  Split split;
  std::vector<BarePoint> points;  ///< by batch size, ascending
  CurveEnd end = CurveEnd::kComplete;
};

/// Rates that differ by less are the same here: within what one machine's runs scatter.
inline constexpr double kSameRate = 0.03;

/// Whether a larger batch is worth measuring: kComplete says yes. Judges by the median run.
CurveEnd EndOf(std::span<const BarePoint> points, base::Duration longest_run);

/// The point of the most rows per second, the first of equals; null where there are none.
const BarePoint* BestOf(std::span<const BarePoint> points);

/// The knee: the smallest batch whose rate is within 3 % of the best; null where there are none.
const BarePoint* KneeOf(std::span<const BarePoint> points);

/// 1, 2, 4 … `largest`.
std::vector<std::int64_t> DoublingSizes(std::int64_t largest);

}  // namespace muster::bench
