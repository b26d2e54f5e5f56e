#pragma once

#include <chrono>
#include <vector>

#include "muster/base/mutex.h"

namespace muster::base {

using Duration = std::chrono::nanoseconds;
/// Steady time: deadlines, queue waits, back-off. Wall time is for people and logs only.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
inline constexpr TimePoint kNever = TimePoint::max();

/// A duration as the floating-point milliseconds of every field named `*_ms`.
inline double ToMillis(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// Where time comes from, waiting included, so that tests own it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
  virtual WallTime WallNow() const = 0;
  /// What the calling thread has used of a CPU so far: tells a long computation from a thread that
  /// was kept from running. A system call, unlike Now.
  virtual Duration ThreadCpu() const = 0;
  /// Waits on `cv` until it is notified or `deadline` (kNever: for good) has come by this clock.
  /// May return early; callers loop on their condition. `mutex` must be held and is held again
  /// on return.
  virtual void WaitUntil(Mutex& mutex, CondVar& cv, TimePoint deadline) MUSTER_REQUIRES(mutex) = 0;
};

/// The machine's clocks. Lives as long as the process.
Clock& RealClock();

/// A clock that stands still until told. Waiters wake only when notified or when Advance reaches
/// their deadline. Locks the waiters' mutexes to wake them: never advance it while holding one.
///
///   FakeClock clock;
///   std::jthread worker(...);      // waits until clock.Now() + 5ms
///   clock.AwaitWaiters(1);         // it is waiting now
///   clock.Advance(5ms);            // and has been woken
class FakeClock : public Clock {
 public:
  /// Starts at an arbitrary steady time that is not zero, and the given wall time.
  explicit FakeClock(WallTime wall = WallTime(std::chrono::seconds(1'700'000'000)));
  TimePoint Now() const override;
  WallTime WallNow() const override;
  /// As if every thread had been running all the time but for what Preempt has let pass.
  Duration ThreadCpu() const override;
  void WaitUntil(Mutex& mutex, CondVar& cv, TimePoint deadline) override MUSTER_REQUIRES(mutex);

  /// Moves both clocks forward and wakes every waiter whose deadline has come.
  void Advance(Duration d);
  /// Advance, while other processes have the CPU.
  void Preempt(Duration d);
  /// Moves to the earliest deadline any waiter has (or to `limit` if there is none before it).
  void AdvanceToNextDeadline(TimePoint limit);
  /// Blocks until at least `n` threads are waiting in WaitUntil. One that Advance has woken does
  /// not count; one that was notified otherwise does until it runs: AwaitDeadline tells more.
  void AwaitWaiters(int n);
  /// Blocks until some thread waits for this very deadline.
  void AwaitDeadline(TimePoint deadline);
  /// Steps wall time only: people change clocks, deadlines must not notice.
  void StepWallTime(Duration d);

 private:
  struct Waiter;
  void Wake(const std::vector<Waiter*>& due);
  std::vector<Waiter*> MoveTo(TimePoint now) MUSTER_REQUIRES(state_mutex_);

  mutable Mutex state_mutex_;
  CondVar changed_;
  TimePoint now_ MUSTER_GUARDED_BY(state_mutex_);
  Duration preempted_ MUSTER_GUARDED_BY(state_mutex_){0};
  WallTime wall_at_start_ MUSTER_GUARDED_BY(state_mutex_);  // no rounding adds up
  std::vector<Waiter*> waiters_ MUSTER_GUARDED_BY(state_mutex_);
};

}  // namespace muster::base
