#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "muster/base/clock.h"
#include "muster/batching/batch_queue.h"

namespace muster::batching {

/// l(n): how long a run of n rows takes, learned from the runs themselves, in bins of sizes that
/// double ({1}, {2}, {3, 4}, {5 … 8}, …) with straight lines in between; never falling with n.
///
/// It cannot lock itself in. What a bin saw in the last second counts; later the best it ever saw
/// does (the seed), scaled by what a fresh neighbour tells about the machine now; and once nothing
/// is fresh, the seed alone. Where bins contradict each other, the one seen last is right.
///
/// Pure, not thread-safe; what is derived is derived anew when asked for after a change.
class LatencyCurve {
 public:
  static constexpr std::size_t kBins = 21;  // the last takes all from 2^19 + 1 rows
  static constexpr base::Duration kFresh = std::chrono::seconds(1);

  /// A run of `rows` ≥ 1 rows that took `took` ended at `now`.
  void Add(std::int64_t rows, base::Duration took, base::TimePoint now);
  /// Whether anything is known; what follows needs it.
  bool known() const { return largest_ >= 0; }

  /// Median time of a run of `rows` rows.
  base::Duration Typical(std::int64_t rows, base::TimePoint now);
  /// A time that few runs of `rows` rows exceed: the longest of the last sixteen.
  base::Duration Upper(std::int64_t rows, base::TimePoint now);
  /// As far below the median as Upper is above it; at least half of it.
  base::Duration Lower(std::int64_t rows, base::TimePoint now);
  /// The largest n in [0, max_rows] with Typical(n) ≤ `limit`.
  std::int64_t RowsWithin(base::Duration limit, std::int64_t max_rows, base::TimePoint now);

  /// How many rows a run should have at most: the knee, which is the smallest size seen whose rows
  /// per second are within 3 % of the best, as beyond it a larger batch adds latency and nothing
  /// else. As long as the largest size seen is the best, there is no knee: `max_rows`. It moves
  /// only when several looks in a row agree. In [1, max_rows].
  std::int64_t EfficientRows(std::int64_t max_rows, base::TimePoint now);

  std::vector<CurvePoint> Points(base::TimePoint now);

 private:
  static constexpr std::int64_t kNoKnee = std::int64_t{1} << kBins;
  static constexpr std::size_t kKept = 16;  // runs of a bin
  struct Run {
    float rows, nanos;
    base::TimePoint end;
  };
  struct Bin {
    std::array<Run, kKept> kept{};
    std::uint64_t runs = 0;  // the last is kept[(runs - 1) % kKept]
    base::TimePoint last{};
    // Derived.
    bool dirty = false;
    std::size_t counted = 0;  // runs that make the figures below
    float mean_rows = 0, median = 0, upper = 0;
    float seed = 0;  // the best, creeping up slowly
  };
  struct Node {
    std::size_t bin;
    float rows, typical, upper;
  };

  static std::size_t BinOf(std::int64_t rows);
  bool Fresh(const Bin& bin) const { return now_ - bin.last <= kFresh; }
  void Refresh(base::TimePoint now);
  void Summarize(std::size_t index);
  float SlopeAt(std::size_t index) const;
  Node NodeOf(std::size_t index) const;
  const Bin* NearestFresh(std::size_t index) const;
  void MakeMonotone();
  float At(double rows, float Node::* value) const;
  std::int64_t Knee() const;

  std::array<Bin, kBins> bins_{};
  int largest_ = -1;  // the last bin with runs
  std::uint64_t added_ = 0;

  base::TimePoint now_{};
  base::TimePoint refreshed_{};  // when nodes_ were derived; none: they must be anew
  std::vector<Node> nodes_;
  std::int64_t knee_ = kNoKnee;
  int disagreements_ = 0;
  std::uint64_t next_look_ = 0;
};

}  // namespace muster::batching
