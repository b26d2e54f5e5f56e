#pragma once

#include <functional>
#include <vector>

#include "muster/base/result.h"

namespace muster::bench {

struct RateSearchOptions {
  double first = 500;       ///< requests/s of the first step
  double lowest = 0.5;      ///< below this the search gives up
  double highest = 2e6;     ///< above this it does not look
  double share = 0.99;      ///< of the requests that must be good
  double precision = 0.03;  ///< relative width of the last bracket
  double hopeless = 0.5;    ///< a share below this is believed at once, a better one that is not
                            ///< enough is measured again: a hiccup of the machine is no limit
};

struct RateStep {
  double rate = 0;   ///< asked for, requests/s
  double share = 0;  ///< good ones, 0 to 1
  bool enough = false;
};

struct RateSearchResult {
  double rate = 0;         ///< the highest confirmed one; 0: none
  bool unbounded = false;  ///< options.highest was still good enough
  bool interrupted = false;
  std::vector<RateStep> steps;  ///< in the order they were measured
};

/// Looks for the highest rate with enough good requests: doubles (or halves) until two rates
/// bracket it, halves the bracket geometrically down to options.precision, and measures the lower
/// end once more. Where that repeat misses, the bracket was luck: the rate goes down by the
/// precision, then twice it, and so on, until a rate is good enough again. `measure` gives the
/// share of good requests at a rate; its error ends the search, CANCELLED with what is known so
/// far. A rate that was good once and not confirmed is not reported.
base::Result<RateSearchResult> FindRate(
    const RateSearchOptions& options,
    const std::function<base::Result<double>(double rate)>& measure);

}  // namespace muster::bench
