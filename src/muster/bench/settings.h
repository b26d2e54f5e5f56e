#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/bench/arrivals.h"
#include "muster/bench/requests.h"

namespace muster::bench {

/// Everything that says what a load is.
struct Settings {
  std::string url;
  RequestOptions request;
  std::string data;    ///< one body a line, instead of drawn ones; empty: none
  std::string body;    ///< the body of every request, instead of both; empty: none
  std::string expect;  ///< one value a line, for each input; empty: what the server answers alone
  double tolerance = 1e-5;
  double check_share = 1.0 / 16;  ///< of the answers whose value is compared while timing

  std::optional<ArrivalKind> arrivals;  ///< none: closed loop
  double rate = 0;                      ///< open loop: requests/s
  std::vector<Phase> phases;            ///< open loop: these rates instead, `duration` in all
  std::uint64_t arrivals_seed = 1;
  std::size_t connections = 64;
  std::size_t max_connections = 1024;
  std::size_t burst = 0;
  base::Duration warm_up = std::chrono::seconds(1);
  base::Duration duration = std::chrono::seconds(10);
  base::Duration give_up = std::chrono::seconds(10);
  std::optional<base::Duration> slo;
  base::Duration slice{0};  ///< what became of each stretch of this length; 0: not reported
  int threads = 1;
  std::vector<int> cores;  ///< thread i is pinned to core i of these, round and round; empty: none
  int repeats = 1;

  bool open_loop() const { return arrivals.has_value(); }
  /// Whether bodies are made up.
  bool generated() const { return data.empty() && body.empty(); }
  /// Errors: INVALID_ARGUMENT naming the flag, what was expected and what came.
  base::Status Validate() const;
};

}  // namespace muster::bench
