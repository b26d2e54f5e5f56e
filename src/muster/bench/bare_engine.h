#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/bench/bare_curve.h"
#include "muster/model/model.h"

namespace muster::bench {

struct BareOptions {
  /// Rows per run; empty: 1, 2, 4 … `largest_batch`, until more does not help.
  std::vector<std::int64_t> batch_sizes;
  std::int64_t largest_batch = 512;
  std::vector<Split> splits = {{1, 1}};
  base::Duration per_point = std::chrono::seconds(1);
  /// No larger batch is measured after a run longer than this; only without `batch_sizes`.
  base::Duration longest_run = std::chrono::seconds(1);
  std::int64_t distinct_inputs = 512;
  std::uint64_t seed = 1;

  /// Errors: INVALID_ARGUMENT naming what is out of range.
  base::Status Validate() const;
};

struct BareSweep {
  std::vector<BareCurve> curves;  ///< in the order of BareOptions::splits
  std::int64_t distinct_inputs = 0;
};

/// Called with each point as soon as it is measured.
using PointSink = std::function<void(const Split&, const BarePoint&)>;

/// The bare engine: the model in a plain loop, without queue, network or batcher; the most that a
/// server of it could give. What is timed is Instance::Start as the batcher's executors call it, on
/// batches that were put together before. Each instance has a thread of its own and goes through
/// all distinct inputs from another place. Two runs follow each other immediately; the clock is
/// read once between them.
///
/// Before a size is timed its runs are checked, all of them or as many as half a second (a point's
/// time, if that is longer) allows: every row must have the values it has alone, to the tolerance
/// of model::Compare; this warms up, too. All splits are measured at one size before the next
/// size. A model is loaded once for each number of threads. Blocks.
/// Errors: FAILED_PRECONDITION naming the output where rows influence each other; those of Load, of
/// the runs and of BareInputs::Make.
base::Result<BareSweep> MeasureBare(model::ModelLoader& loader, const model::ModelSource& source,
                                    const BareOptions& options, base::Clock& clock,
                                    const PointSink& on_point = {});

}  // namespace muster::bench
