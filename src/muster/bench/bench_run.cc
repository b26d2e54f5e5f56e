#include "muster/bench/bench_run.h"

#include <algorithm>
#include <cmath>

#include "muster/bench/figures.h"

namespace muster::bench {
namespace {

using base::Duration;

bool Stopped(const RunHooks& hooks) { return hooks.stop.load(std::memory_order_relaxed); }

base::Result<Measurement> Prepare(const Settings& settings, const RunHooks& hooks) {
  MUSTER_RETURN_IF_ERROR(settings.Validate());
  Measurement m{.settings = settings, .work = {}, .origin = ThisMachine()};
  MUSTER_ASSIGN_OR_RETURN(m.work, PrepareWorkload(settings, hooks.stop));
  return m;
}

double GoodShare(const Total& total) {
  const std::uint64_t requests = total.requests();
  return requests == 0 ? 0 : static_cast<double>(total.good) / static_cast<double>(requests);
}

Settings StepSettings(const Settings& settings, double share, double rate) {
  Settings step = settings;
  step.rate = rate;
  step.duration = StepDuration(rate, share, settings.duration);
  // What is later than this has missed long ago, and need not be waited for.
  step.give_up =
      std::min(settings.give_up, std::max<Duration>(2 * *settings.slo, std::chrono::seconds(1)));
  return step;
}

}  // namespace

base::Result<Measurement> MeasureLoad(const Settings& settings, const RunHooks& hooks) {
  MUSTER_ASSIGN_OR_RETURN(Measurement m, Prepare(settings, hooks));
  Settings repeat = settings;
  for (int i = 0; i < settings.repeats && !Stopped(hooks); ++i) {
    repeat.arrivals_seed = settings.arrivals_seed + static_cast<std::uint64_t>(i);
    MUSTER_ASSIGN_OR_RETURN(Total total, RunLoad(repeat, m.work, hooks));
    if (total.seconds > 0) m.runs.push_back(std::move(total));
    if (!m.runs.empty() && m.runs.back().wrong > 0) break;
  }
  m.interrupted = Stopped(hooks);
  return m;
}

Duration StepDuration(double rate, double share, Duration duration) {
  constexpr double kMisses = 10;
  constexpr double kLongest = 30;
  const double requests = share < 0.9999 ? kMisses / (1 - share) : 1e5;
  const double seconds = std::min(requests / rate, kLongest);
  return std::max(duration, Duration(std::llround(seconds * 1e9)));
}

base::Result<Measurement> MeasureHighestRate(const Settings& settings,
                                             const RateSearchOptions& options,
                                             const RunHooks& hooks) {
  if (!settings.slo) return base::InvalidArgument("--find-rate: expected --slo-ms MS with it");
  Settings open = settings;
  open.arrivals = settings.arrivals.value_or(ArrivalKind::kPoisson);
  open.rate = options.first;
  MUSTER_ASSIGN_OR_RETURN(Measurement m, Prepare(open, hooks));
  const auto measure = [&](double rate) -> base::Result<double> {
    const Settings step = StepSettings(open, options.share, rate);
    ++open.arrivals_seed;  // no two steps may be lucky with the same schedule
    MUSTER_ASSIGN_OR_RETURN(Total total, RunLoad(step, m.work, hooks));
    if (Stopped(hooks)) return base::Cancelled("interrupted");
    if (total.wrong > 0) return base::FailedPrecondition(total.first_wrong);
    const double share = GoodShare(total);
    if (share >= options.share) {
      m.settings = step;
      m.runs.assign(1, std::move(total));
    } else if (const std::string warning = GeneratorWarning(total, step); !warning.empty()) {
      m.warning = warning;
    }
    return share;
  };
  MUSTER_ASSIGN_OR_RETURN(m.search, FindRate(options, measure));
  m.interrupted = Stopped(hooks);
  if (m.search->rate == 0) m.runs.clear();
  return m;
}

}  // namespace muster::bench
