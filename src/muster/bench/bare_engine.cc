#include "muster/bench/bare_engine.h"

#include <algorithm>
#include <latch>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "muster/bench/bare_inputs.h"
#include "muster/bench/internal/row_check.h"
#include "muster/telemetry/histogram.h"

namespace muster::bench {
namespace {

using Instances = std::span<const std::unique_ptr<model::Instance>>;

constexpr base::Duration kCheckFor = std::chrono::milliseconds(500);  // at least, of a size
constexpr std::uint64_t kFewestRuns = 3;  // of every instance, however long one takes

/// What one instance did in its time.
struct Tally {
  std::uint64_t runs = 0;
  base::Duration elapsed{0};
  telemetry::HistogramSnapshot times;
};

/// One instance in a plain loop until `per_point` has passed.
base::Result<Tally> Loop(model::Instance& instance, const std::vector<Tensors>& batches,
                         std::size_t first, base::Duration per_point, base::Clock& clock) {
  // Not on the stack of a thread: its counts take 20 KiB.
  const auto times = std::make_unique<telemetry::Histogram>();
  Tally tally;
  const base::TimePoint start = clock.Now();
  base::TimePoint before = start;
  for (std::size_t k = first; tally.runs < kFewestRuns || before - start < per_point;
       ++tally.runs) {
    const auto outputs = model::RunAndWait(instance, batches[k]);
    if (!outputs) return outputs.error();
    const base::TimePoint now = clock.Now();
    times->Record(now - before);
    before = now;
    k = k + 1 == batches.size() ? 0 : k + 1;
  }
  tally.elapsed = before - start;
  tally.times = times->Snapshot();
  return tally;
}

/// All instances at the same time, each on a thread of its own unless it is the only one.
std::vector<base::Result<Tally>> LoopAll(Instances instances, const std::vector<Tensors>& batches,
                                         base::Duration per_point, base::Clock& clock) {
  std::vector<base::Result<Tally>> tallies(instances.size(), base::Internal("it never ran"));
  if (instances.size() == 1) {
    tallies[0] = Loop(*instances[0], batches, 0, per_point, clock);
    return tallies;
  }
  std::latch together(static_cast<std::ptrdiff_t>(instances.size()));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    threads.emplace_back([&, i] {
      together.arrive_and_wait();
      tallies[i] =
          Loop(*instances[i], batches, i * batches.size() / instances.size(), per_point, clock);
    });
  }
  threads.clear();  // joins
  return tallies;
}

base::Result<BarePoint> Summed(const std::vector<base::Result<Tally>>& tallies, std::int64_t size) {
  BarePoint point;
  point.batch_size = size;
  telemetry::HistogramSnapshot times;
  for (const auto& tally : tallies) {
    if (!tally) return tally.error();
    point.runs += tally->runs;
    const double seconds = std::chrono::duration<double>(tally->elapsed).count();
    const double rows = static_cast<double>(tally->runs) * static_cast<double>(size);
    if (seconds > 0) point.rows_per_s += rows / seconds;
    if (times.counts.empty())
      times = tally->times;
    else
      times += tally->times;
  }
  point.median = base::Duration(static_cast<std::int64_t>(times.Percentile(50)));
  point.p99 = base::Duration(static_cast<std::int64_t>(times.Percentile(99)));
  return point;
}

/// One model loaded for one number of threads, and as many instances as any split has.
struct Loaded {
  std::unique_ptr<model::Model> model;
  std::vector<std::unique_ptr<model::Instance>> instances;
};

/// Goes through the splits and keeps what they share: models by threads, inputs, rows alone.
class Sweep {
 public:
  Sweep(model::ModelLoader& loader, const model::ModelSource& source, const BareOptions& options,
        base::Clock& clock)
      : loader_(loader), source_(source), options_(options), clock_(clock) {}

  base::Result<BareSweep> Run(const PointSink& on_point) {
    BareSweep sweep;
    for (const Split& split : options_.splits) {
      MUSTER_RETURN_IF_ERROR(Prepare(split));
      sweep.curves.push_back({split, {}, CurveEnd::kComplete});
    }
    sweep.distinct_inputs = inputs_->distinct();
    // Not curve by curve: what is compared is measured close together, for machines change speed.
    for (const std::int64_t size : sizes_) {
      for (BareCurve& curve : sweep.curves) {
        if (curve.end != CurveEnd::kComplete) continue;
        MUSTER_RETURN_IF_ERROR(Extend(curve, size, on_point)
                                   .WithContext(curve.split.Name() + " (instances × threads)"));
      }
    }
    return sweep;
  }

 private:
  /// Loads what a split needs and is not there yet.
  base::Status Prepare(const Split& split) {
    Loaded& loaded = loaded_[split.threads];
    if (!loaded.model) {
      MUSTER_ASSIGN_OR_RETURN(loaded.model, loader_.Load(source_, {.threads = split.threads}));
    }
    while (loaded.instances.size() < static_cast<std::size_t>(split.instances)) {
      MUSTER_ASSIGN_OR_RETURN(auto instance, loaded.model->NewInstance({.threads = split.threads}));
      loaded.instances.push_back(std::move(instance));
    }
    return inputs_ ? base::Status() : MakeInputs(loaded);
  }

  base::Status Extend(BareCurve& curve, std::int64_t size, const PointSink& on_point) {
    const Instances instances(loaded_.at(curve.split.threads).instances.begin(),
                              static_cast<std::size_t>(curve.split.instances));
    MUSTER_ASSIGN_OR_RETURN(const BarePoint point, MeasurePoint(instances, size));
    if (on_point) on_point(curve.split, point);
    curve.points.push_back(point);
    if (options_.batch_sizes.empty() && size != sizes_.back()) {
      curve.end = EndOf(curve.points, options_.longest_run);
    }
    return {};
  }

  base::Status MakeInputs(const Loaded& loaded) {
    const model::ModelSpec& spec = loaded.model->spec();
    sizes_ = options_.batch_sizes.empty() ? SizesOf(spec, DoublingSizes(options_.largest_batch))
                                          : options_.batch_sizes;
    MUSTER_ASSIGN_OR_RETURN(
        BareInputs inputs,
        BareInputs::Make(spec, *loaded.instances[0], sizes_,
                         {.distinct = options_.distinct_inputs, .seed = options_.seed}));
    inputs_ = std::make_unique<const BareInputs>(std::move(inputs));
    check_.emplace(spec, *inputs_);
    return {};
  }

  base::Result<BarePoint> MeasurePoint(Instances instances, std::int64_t size) {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t checked, Check(*instances[0], size));
    std::vector<Tensors> batches;
    for (std::int64_t k = 0; k < inputs_->Batches(size); ++k) {
      batches.push_back(inputs_->Batch(size, k));
    }
    for (const auto& instance : instances.subspan(1)) {  // the first is warm
      const auto warm = model::RunAndWait(*instance, batches[0]);
      if (!warm) return warm.error();
    }
    MUSTER_ASSIGN_OR_RETURN(BarePoint point,
                            Summed(LoopAll(instances, batches, options_.per_point, clock_), size));
    point.checked_rows = checked;
    return point;
  }

  /// Rows checked: all of them, or as many as the time allows.
  base::Result<std::int64_t> Check(model::Instance& instance, std::int64_t size) {
    const base::TimePoint end = clock_.Now() + std::max(options_.per_point, kCheckFor);
    std::int64_t rows = 0;
    for (std::int64_t k = 0; k < inputs_->Batches(size); ++k) {
      MUSTER_RETURN_IF_ERROR(check_->CheckBatch(instance, size, k));
      rows += size;
      if (clock_.Now() >= end) break;
    }
    return rows;
  }

  model::ModelLoader& loader_;
  const model::ModelSource& source_;
  const BareOptions& options_;
  base::Clock& clock_;
  std::map<int, Loaded> loaded_;  // by threads
  std::vector<std::int64_t> sizes_;
  std::unique_ptr<const BareInputs>
      inputs_;  // of the first model loaded: all have the same interface
  std::optional<RowCheck> check_;
};

}  // namespace

base::Status BareOptions::Validate() const {
  for (const std::int64_t size : batch_sizes) {
    if (size < 1 || size > 65'536) {
      return base::InvalidArgument("a batch size is 1 to 65536, got " + std::to_string(size));
    }
  }
  if (largest_batch < 1) return base::InvalidArgument("the largest batch must be 1 or more");
  if (splits.empty()) return base::InvalidArgument("there are no instances × threads to measure");
  for (const Split& split : splits) {
    if (split.instances < 1 || split.instances > 1024 || split.threads < 1 ||
        split.threads > 1024) {
      return base::InvalidArgument("instances and threads are 1 to 1024, got " + split.Name());
    }
  }
  if (per_point <= base::Duration(0)) {
    return base::InvalidArgument("the time per point must be above 0");
  }
  return {};
}

base::Result<BareSweep> MeasureBare(model::ModelLoader& loader, const model::ModelSource& source,
                                    const BareOptions& options, base::Clock& clock,
                                    const PointSink& on_point) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  return Sweep(loader, source, options, clock).Run(on_point);
}

}  // namespace muster::bench
