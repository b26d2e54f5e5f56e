#include "muster/bench/tune.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "muster/base/text.h"
#include "muster/bench/bare_report.h"

namespace muster::bench {
namespace {

constexpr int kSizesBetween = 3;  // that are tried after the sweep

/// Each point of a curve as settings, whether it fits or not.
std::vector<Tuning> AllOf(const BareCurve& curve, base::Duration wait) {
  std::vector<Tuning> all;
  base::Duration run{0};
  for (const BarePoint& point : curve.points) {
    run = std::max(run, point.p99);
    all.push_back({curve.split, point.batch_size, point.rows_per_s, run, WorstOf(run, wait)});
  }
  return all;
}

std::vector<Tuning> FittingOf(const BareCurve& curve, base::Duration slo, base::Duration wait) {
  std::vector<Tuning> all = AllOf(curve, wait);
  std::erase_if(all, [slo](const Tuning& tuning) { return tuning.worst > slo; });
  return all;
}

/// The fastest, and of those within 3 % of it the one of the smallest worst(n).
const Tuning* PickOf(std::span<const Tuning> tunings) {
  if (tunings.empty()) return nullptr;
  const double most = std::ranges::max(tunings, {}, &Tuning::rows_per_s).rows_per_s;
  const Tuning* pick = nullptr;
  for (const Tuning& tuning : tunings) {
    if (tuning.rows_per_s < most * (1 - kSameRate)) continue;
    if (pick == nullptr || tuning.worst < pick->worst) pick = &tuning;
  }
  return pick;
}

std::string Settings(const Tuning& tuning) {
  return "instances: " + std::to_string(tuning.split.instances) +
         ", threads: " + std::to_string(tuning.split.threads) +
         ", max_batch_size: " + std::to_string(tuning.max_batch_size);
}

base::Error Unreachable(std::span<const BareCurve> curves, base::Duration slo,
                        base::Duration wait) {
  std::vector<Tuning> all;
  for (const BareCurve& curve : curves) {
    const std::vector<Tuning> of_curve = AllOf(curve, wait);
    all.insert(all.end(), of_curve.begin(), of_curve.end());
  }
  if (all.empty()) return base::FailedPrecondition("nothing was measured");
  const Tuning& least = std::ranges::min(all, {}, &Tuning::worst);
  return base::FailedPrecondition("no setting keeps a row within " + ShortTime(slo) +
                                  "; the smallest possible is " + ShortTime(least.worst) +
                                  ", with " + Settings(least));
}

void Insert(BareCurve& curve, const BarePoint& point) {
  curve.points.insert(
      std::ranges::upper_bound(curve.points, point.batch_size, {}, &BarePoint::batch_size), point);
}

/// Measures sizes between the largest that fits and the next, on the curve that won.
base::Status Refine(model::ModelLoader& loader, const model::ModelSource& source,
                    const TuneOptions& options, base::Clock& clock, const PointSink& on_point,
                    BareSweep& sweep) {
  for (int i = 0; i < kSizesBetween; ++i) {
    const auto choice = Choose(sweep.curves, options.slo, options.wait);
    if (!choice) return {};  // the caller says it
    BareCurve& curve = *std::ranges::find(sweep.curves, choice->split, &BareCurve::split);
    const auto size = SizeBetween(curve, options.slo, options.wait);
    if (!size) return {};
    MUSTER_ASSIGN_OR_RETURN(const BareSweep one, MeasureBare(loader, source,
                                                             {.batch_sizes = {*size},
                                                              .splits = {curve.split},
                                                              .per_point = options.per_point},
                                                             clock, on_point));
    Insert(curve, one.curves[0].points[0]);
  }
  return {};
}

}  // namespace

base::Duration WorstOf(base::Duration run, base::Duration wait) { return wait + 2 * run; }

std::vector<std::optional<Tuning>> TuneEach(std::span<const BareCurve> curves, base::Duration slo,
                                            base::Duration wait) {
  std::vector<std::optional<Tuning>> each;
  for (const BareCurve& curve : curves) {
    const std::vector<Tuning> fitting = FittingOf(curve, slo, wait);
    const Tuning* pick = PickOf(fitting);
    each.push_back(pick == nullptr ? std::nullopt : std::optional(*pick));
  }
  return each;
}

base::Result<Tuning> Choose(std::span<const BareCurve> curves, base::Duration slo,
                            base::Duration wait) {
  std::vector<Tuning> fitting;
  for (const BareCurve& curve : curves) {
    const std::vector<Tuning> of_curve = FittingOf(curve, slo, wait);
    fitting.insert(fitting.end(), of_curve.begin(), of_curve.end());
  }
  const Tuning* pick = PickOf(fitting);
  if (pick == nullptr) return Unreachable(curves, slo, wait);
  return *pick;
}

std::optional<std::int64_t> SizeBetween(const BareCurve& curve, base::Duration slo,
                                        base::Duration wait) {
  const std::vector<Tuning> fitting = FittingOf(curve, slo, wait);
  // A point that does not fit rules out all larger ones: what fits is the curve's beginning.
  if (fitting.empty() || fitting.size() == curve.points.size()) return std::nullopt;
  const Tuning& last = fitting.back();
  if (PickOf(fitting)->max_batch_size != last.max_batch_size) return std::nullopt;
  const std::int64_t next = curve.points[fitting.size()].batch_size;
  if (next - last.max_batch_size <= std::max<std::int64_t>(1, last.max_batch_size / 4)) {
    return std::nullopt;
  }
  return (last.max_batch_size + next) / 2;
}

std::vector<Split> SplitsOf(int cores) {
  std::vector<Split> splits = {{1, 1}};
  const auto add = [&splits](const Split& split) {
    if (std::ranges::find(splits, split) == splits.end()) splits.push_back(split);
  };
  for (int threads = 1; threads <= cores; threads *= 2) add({cores / threads, threads});
  add({1, std::max(cores, 1)});
  return splits;
}

base::Result<Tuned> Tune(model::ModelLoader& loader, const model::ModelSource& source,
                         const TuneOptions& options, base::Clock& clock,
                         const PointSink& on_point) {
  if (options.slo <= options.wait) {
    return base::InvalidArgument("the SLO is " + ShortTime(options.slo) +
                                 "; it must be above 0 and above `max_wait_ms` of a `window`");
  }
  BareOptions bare{.splits = SplitsOf(options.cores),
                   .per_point = options.per_point,
                   .longest_run = (options.slo - options.wait) / 2};
  if (!options.batches) bare.largest_batch = 1;
  MUSTER_ASSIGN_OR_RETURN(BareSweep sweep, MeasureBare(loader, source, bare, clock, on_point));
  MUSTER_RETURN_IF_ERROR(Refine(loader, source, options, clock, on_point, sweep));
  MUSTER_ASSIGN_OR_RETURN(const Tuning choice, Choose(sweep.curves, options.slo, options.wait));
  auto each = TuneEach(sweep.curves, options.slo, options.wait);
  return Tuned{choice, std::move(each), std::move(sweep)};
}

std::string Explanation(const Tuned& tuned, const TuneOptions& options) {
  std::string out = "within " + ShortTime(options.slo) + ", a row's longest wait and run being ";
  if (options.wait.count() > 0) out += ShortTime(options.wait) + " + ";
  out += "2 · p99 of a run:\n";
  for (std::size_t i = 0; i < tuned.of_splits.size(); ++i) {
    out += "  " + tuned.sweep.curves[i].split.Name() + ": ";
    if (const auto& tuning = tuned.of_splits[i]) {
      out += Short(tuning->rows_per_s) + " rows/s with runs of up to " +
             std::to_string(tuning->max_batch_size) + ", longest " + ShortTime(tuning->worst);
    } else {
      out += "none, runs of " + std::to_string(tuned.sweep.curves[i].points.front().batch_size) +
             " are too long";
    }
    out += "\n";
  }
  return out + "chosen: " + Settings(tuned.choice) +
         " (the most rows/s; where rates are within 3 %, the shortest wait)\n";
}

base::Result<base::Duration> ParseTime(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}};
  const auto known = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
  constexpr double kDay = 86'400e9;
  if (error != std::errc() || known == std::end(kUnits) || !(value > 0) ||
      !(value * known->second < kDay)) {
    return base::InvalidArgument("expected a time such as 20ms, 1.5s or 500us, got `" +
                                 base::Printable(text) + "`");
  }
  return base::Duration(std::llround(value * known->second));
}

}  // namespace muster::bench
