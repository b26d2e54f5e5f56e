#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/bench/settings.h"
#include "muster/bench/tally.h"

namespace muster::bench {

/// One number of a run. Names are those of the JSON report and end in their unit where they have
/// one; shares are 0 to 1.
struct Figure {
  std::string_view name;
  double value = 0;
};

/// rate (answers 200 per second of the timed part), requests, mean_ms, p50_ms, p90_ms, p95_ms,
/// p99_ms, p99_9_ms, max_ms (of answers 200, at most 1 % off); where there were answers 503 or 504
/// refused_p50_ms, refused_p99_ms and expired_p50_ms, expired_p99_ms of them; ok_share and, with an
/// SLO, good_share (of all requests of the timed part), generator_cpu_share and
/// generator_starved_share (of a core: used, and waited for); in an open loop lag_p99_ms and
/// waited_share; with a burst connect_p50_ms, connect_p99_ms, connect_max_ms and connect_failed.
std::vector<Figure> FiguresOf(const Total& total, const Settings& settings);

/// A figure over repeats. The median of an even number is the mean of the middle two.
struct Spread {
  std::string name;
  double min = 0, median = 0, max = 0;
};

/// Of each figure of the first run that all runs have.
std::vector<Spread> SpreadOf(std::span<const std::vector<Figure>> runs);

/// What makes the figures say more about the generator than about the server, or empty: its thread
/// had no time left or no core, or it sent late, by a fifth of the latency it reports or by a
/// millisecond.
std::string GeneratorWarning(const Total& total, const Settings& settings);

}  // namespace muster::bench
