#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string_view>

#include "muster/base/clock.h"
#include "muster/base/mutex.h"
#include "muster/base/result.h"

namespace muster::registry {

enum class BreakerState : std::uint8_t {
  kClosed,    ///< all requests pass
  kHalfOpen,  ///< a few requests pass, to see whether runs succeed again
  kOpen,      ///< none pass
};
/// "closed", "half_open", "open".
std::string_view BreakerStateName(BreakerState state);
inline constexpr std::size_t kBreakerStates = 3;

enum class BreakerSwitch : std::uint8_t { kAuto, kForcedOpen, kForcedClosed };

struct CircuitBreakerOptions {
  base::Duration window = std::chrono::seconds(10);   ///< over which runs are counted
  std::int64_t min_runs = 20;                         ///< in the window, to judge by their share
  double failed_share = 0.5;                          ///< of the window's runs
  int failed_in_a_row = 5;                            ///< each within `window` of the one before
  base::Duration open_for = std::chrono::seconds(5);  ///< doubled each time it fails again
  base::Duration open_at_most = std::chrono::seconds(60);  ///< before jitter
  double jitter = 0.2;  ///< of the open time, either way, lest replicas come back together
  int probes = 5;       ///< requests that must all pass to close
  /// Probes that have been out for so long have failed.
  base::Duration probe_at_most = std::chrono::seconds(30);
  /// Closed for so long, it opens for the shortest time again.
  base::Duration calm_after = std::chrono::seconds(60);
};

struct BreakerSnapshot {
  BreakerState state = BreakerState::kClosed;
  std::uint64_t refused = 0;                            ///< requests
  std::array<std::uint64_t, kBreakerStates> entered{};  ///< transitions by the state they led to
  std::chrono::milliseconds retry_after{0};             ///< until probes pass; 0 unless open
  std::uint64_t opened() const { return entered[static_cast<std::size_t>(BreakerState::kOpen)]; }
};

struct BreakerTransition {
  BreakerState from = BreakerState::kClosed;
  BreakerState to = BreakerState::kClosed;
  std::chrono::milliseconds retry_after{0};  ///< until probes pass, where `to` is open
};

/// What a request passed with; to be given back when it is answered.
struct BreakerPass {
  std::uint32_t probe = 0;  ///< which half-open time it probes in; 0: it is no probe
};

/// What a probe says of the backend.
enum class ProbeOutcome : std::uint8_t { kPassed, kFailed, kNothing };

/// Keeps requests away from a backend that keeps failing, so that they are refused at once and the
/// backend is left alone to recover. Requests ask to be admitted; runs are counted, not requests,
/// because one failed run fails all requests in it. Closed → open by the share of failed runs or by
/// failures in a row; open → half-open by time; half-open → closed if all probes pass, else open
/// for twice as long. What is the client's doing is never reported: bad data, expiry, cancelling.
///
/// Pure: time is given. Thread-safe by a mutex, since a transition touches counts, times and probes
/// together; one atomic flag spares it every request while closed.
///
///   auto pass = breaker.Admit(now);                // error: refuse with it
///   breaker.OnRun(succeeded, now);                 // whenever a run is over
///   breaker.OnAnswer(*pass, outcome, now);         // once per pass
class CircuitBreaker {
 public:
  /// Told of every transition, after it, on the thread that caused it and without a lock.
  using Listener = std::function<void(const BreakerTransition&)>;

  explicit CircuitBreaker(const CircuitBreakerOptions& options = {}, std::uint32_t seed = 1,
                          Listener listener = {});

  /// Errors: UNAVAILABLE "BREAKER_OPEN" with retry_after.
  base::Result<BreakerPass> Admit(base::TimePoint now);
  /// A run is over: the backend succeeded, or failed for reasons of its own.
  void OnRun(bool succeeded, base::TimePoint now);
  /// A request that was admitted is answered, whatever became of it.
  void OnAnswer(BreakerPass pass, ProbeOutcome outcome, base::TimePoint now);
  /// Holds it open or closed until it is set to kAuto again: then it is closed and has seen no run.
  void Force(BreakerSwitch position, base::TimePoint now);

  /// Where only a request is awaited to let it probe, that is called half-open already.
  BreakerSnapshot Snapshot(base::TimePoint now) const;

 private:
  static constexpr std::int64_t kBuckets = 10;
  struct Bucket {
    std::int64_t tick = -1;  // which tenth of a window since the clock's start
    std::int64_t runs = 0, failed = 0;
  };
  using Change = std::optional<BreakerTransition>;

  void Count(bool succeeded, base::TimePoint now) MUSTER_REQUIRES(mutex_);
  bool TooManyFailed(base::TimePoint now) const MUSTER_REQUIRES(mutex_);
  bool ProbesAreLost(base::TimePoint now) const MUSTER_REQUIRES(mutex_);
  base::Duration NextOpenTime(base::TimePoint now) MUSTER_REQUIRES(mutex_);
  void Open(base::TimePoint now, Change& change) MUSTER_REQUIRES(mutex_);
  void Close(base::TimePoint now, Change& change) MUSTER_REQUIRES(mutex_);
  void Enter(BreakerState to, base::TimePoint now, Change& change) MUSTER_REQUIRES(mutex_);
  std::chrono::milliseconds RetryAfter(base::TimePoint now) const MUSTER_REQUIRES(mutex_);
  void Tell(const Change& change) const;

  const CircuitBreakerOptions options_;
  const Listener listener_;
  std::atomic<bool> closed_{true};  // state_ is kClosed

  mutable base::Mutex mutex_;
  BreakerState state_ MUSTER_GUARDED_BY(mutex_) = BreakerState::kClosed;
  BreakerSwitch switch_ MUSTER_GUARDED_BY(mutex_) = BreakerSwitch::kAuto;
  std::array<Bucket, kBuckets> buckets_ MUSTER_GUARDED_BY(mutex_);
  int in_a_row_ MUSTER_GUARDED_BY(mutex_) = 0;  // failed runs
  base::TimePoint last_failure_ MUSTER_GUARDED_BY(mutex_){};
  base::TimePoint closed_at_ MUSTER_GUARDED_BY(mutex_){};
  base::TimePoint open_until_ MUSTER_GUARDED_BY(mutex_){};
  int times_opened_ MUSTER_GUARDED_BY(mutex_) = 0;         // since it was last calm
  std::uint32_t half_open_ MUSTER_GUARDED_BY(mutex_) = 0;  // numbers half-open times
  int probes_out_ MUSTER_GUARDED_BY(mutex_) = 0;
  int probes_passed_ MUSTER_GUARDED_BY(mutex_) = 0;
  base::TimePoint last_probe_ MUSTER_GUARDED_BY(mutex_){};
  std::minstd_rand random_ MUSTER_GUARDED_BY(mutex_);
  BreakerSnapshot figures_ MUSTER_GUARDED_BY(mutex_);  // its counters
};

}  // namespace muster::registry
