#pragma once

#include <optional>

#include "muster/base/result.h"
#include "muster/bench/load_run.h"
#include "muster/bench/rate_search.h"
#include "muster/bench/report.h"

namespace muster::bench {

/// Checks the server's answers, then makes settings.repeats runs. Each run has arrivals of its own
/// (arrivals_seed, arrivals_seed + 1, …). Stops early with what it has once hooks.stop is true, or
/// after a run with a wrong answer. Blocks until it is done. Errors: as PrepareWorkload and
/// RunLoad.
base::Result<Measurement> MeasureLoad(const Settings& settings, const RunHooks& hooks);

/// How long a step of a search at `rate` takes: long enough that ten requests may miss, at least
/// `duration` and at most 30 s (or `duration`, if that is more).
base::Duration StepDuration(double rate, double share, base::Duration duration);

/// Looks for the highest open-loop rate with options.share of the requests answered 200 within
/// settings.slo (which must be set): refused, failed and late ones have missed. The one run of the
/// result is that which confirmed the rate. Errors: as above, and FAILED_PRECONDITION for a wrong
/// answer.
base::Result<Measurement> MeasureHighestRate(const Settings& settings,
                                             const RateSearchOptions& options,
                                             const RunHooks& hooks);

}  // namespace muster::bench
