#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "muster/telemetry/histogram.h"

namespace muster::bench {

/// Why a request got no answer.
enum class Failure : std::uint8_t {
  kRefused,   ///< no connection: refused or unreachable
  kReset,     ///< the connection ended before the whole answer
  kTimeout,   ///< no answer within LoadPlan::give_up
  kProtocol,  ///< what came is no HTTP answer
  kUnsent,    ///< due, but no connection was free until its deadline or the end
  kLocal,     ///< this machine ran out of descriptors or ports
};
inline constexpr std::size_t kFailures = 6;

/// "refused", "reset", …
std::string_view FailureName(Failure failure);

/// What became of the requests that began in one stretch of the timed part.
struct Slice {
  telemetry::Histogram latency;  ///< ns, of answers 200
  std::uint64_t requests = 0;
  std::uint64_t ok = 0;    ///< answers 200
  std::uint64_t good = 0;  ///< of them within LoadPlan::slo
};

/// The slices of all threads, added up.
struct SliceTotal {
  telemetry::HistogramSnapshot latency;
  std::uint64_t requests = 0, ok = 0, good = 0;

  void Add(const Slice& slice);
};

/// What one generator thread counts. One thread writes; `answers` and the histograms may be read by
/// others meanwhile. Only requests that begin within the timed part are counted, whatever becomes
/// of them.
struct Tally {
  telemetry::Histogram latency;  ///< ns from the beginning to the whole answer, of answers 200
  telemetry::Histogram refused;  ///< the same, of answers 503
  telemetry::Histogram expired;  ///< the same, of answers 504
  telemetry::Histogram lag;      ///< ns from due to sent where a connection was free (open loop)
  telemetry::Histogram connect;  ///< ns to open a connection, of those of the burst
  std::vector<Slice> slices;     ///< by the time a request began; as many as the plan asks for
  std::array<std::uint64_t, 600> status{};
  std::array<std::uint64_t, kFailures> failures{};
  std::uint64_t in_time = 0;          ///< answers 200 that came within the timed part
  std::uint64_t good = 0;             ///< answers 200 within LoadPlan::slo
  std::uint64_t waited = 0;           ///< requests that were due while no connection was free
  std::uint64_t reopened = 0;         ///< connections that the server closed between requests
  std::uint64_t burst_attempted = 0;  ///< connections of the burst
  std::uint64_t burst_failed = 0;
  std::uint64_t checked = 0;  ///< answers whose value was compared
  std::uint64_t wrong = 0;
  std::string first_wrong;                ///< what differed
  std::atomic<std::uint64_t> answers{0};  ///< of any status, warm-up included; for progress
  double cpu_seconds = 0;                 ///< of the generator's thread
  double starved_seconds = 0;             ///< it was ready to run and had no core
  double wall_seconds = 0;                ///< it ran so long
};

/// The tallies of all threads of a run, added up.
struct Total {
  telemetry::HistogramSnapshot latency, refused, expired;
  telemetry::HistogramSnapshot lag;
  telemetry::HistogramSnapshot connect;
  std::vector<SliceTotal> slices;
  std::map<int, std::uint64_t> status;
  std::array<std::uint64_t, kFailures> failures{};
  std::uint64_t in_time = 0, good = 0, waited = 0, reopened = 0;
  std::uint64_t burst_attempted = 0, burst_failed = 0, checked = 0, wrong = 0;
  std::string first_wrong;
  double busiest = 0;  ///< CPU share of the busiest thread
  double starved = 0;  ///< share of its time that the worst-off thread waited for a core
  double seconds = 0;  ///< length of the timed part; the caller's to set

  void Add(const Tally& tally);
  std::uint64_t failed() const;
  /// All that began in the timed part.
  std::uint64_t requests() const;
};

}  // namespace muster::bench
