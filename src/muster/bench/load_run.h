#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "muster/base/result.h"
#include "muster/bench/settings.h"
#include "muster/bench/tally.h"
#include "muster/bench/workload.h"

namespace muster::bench {

/// Who watches a run, and may end it.
struct RunHooks {
  const std::atomic<bool>& stop;  ///< once true, runs end within about 100 ms with what they have
  /// Called twice a second from the first generator thread: answers so far, and since when.
  std::function<void(std::uint64_t answers, base::Duration elapsed)> progress = {};
};

/// Makes one run of the load and blocks until it is over: warm-up, timed part, and what is still
/// unanswered then. Each thread has its own connections. Errors: RESOURCE_EXHAUSTED,
/// INVALID_ARGUMENT for a rate that cannot be drawn or a core that may not be used.
base::Result<Total> RunLoad(const Settings& settings, const Workload& work, const RunHooks& hooks);

}  // namespace muster::bench
