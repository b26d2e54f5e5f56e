#include <algorithm>

#include "muster/base/clock.h"
#include "muster/base/result.h"

namespace muster::base {
namespace {

// Not zero, so that a forgotten initialisation does not look like a time.
constexpr TimePoint kStart{std::chrono::hours(1000)};

}  // namespace

// Lives on the stack of the thread that waits. All but the first three is guarded by state_mutex_.
struct FakeClock::Waiter {
  Mutex* mutex;
  CondVar* cv;
  TimePoint deadline;
  bool woken = false;  // its deadline has come: no longer a waiter, though still on the list
  bool busy = false;   // Wake uses `mutex` and `cv`: it may not return to its caller yet
};

FakeClock::FakeClock(WallTime wall) : now_(kStart), wall_at_start_(wall) {}

TimePoint FakeClock::Now() const {
  MutexLock lock(state_mutex_);
  return now_;
}

WallTime FakeClock::WallNow() const {
  MutexLock lock(state_mutex_);
  return wall_at_start_ + std::chrono::floor<WallTime::duration>(now_ - kStart);
}

Duration FakeClock::ThreadCpu() const {
  MutexLock lock(state_mutex_);
  return now_ - kStart - preempted_;
}

// Lock order is caller, then state: the waiter is on the list before it lets go of the caller's
// mutex, and Wake takes that mutex before it notifies, so no wake-up falls between the two.
void FakeClock::WaitUntil(Mutex& mutex, CondVar& cv, TimePoint deadline) {
  Waiter self{&mutex, &cv, deadline};
  {
    MutexLock lock(state_mutex_);
    if (deadline <= now_) return;
    waiters_.push_back(&self);
    changed_.notify_all();
  }
  Wait(mutex, cv);
  // Wake may be waiting for the caller's mutex on behalf of this waiter.
  mutex.unlock();
  {
    MutexLock lock(state_mutex_);
    while (self.busy) Wait(state_mutex_, changed_);
    std::erase(waiters_, &self);
  }
  mutex.lock();
}

std::vector<FakeClock::Waiter*> FakeClock::MoveTo(TimePoint now) {
  now_ = now;
  std::vector<Waiter*> due;
  for (Waiter* waiter : waiters_) {
    if (waiter->woken || waiter->deadline > now) continue;
    waiter->woken = waiter->busy = true;
    due.push_back(waiter);
  }
  return due;
}

void FakeClock::Wake(const std::vector<Waiter*>& due) {
  for (Waiter* waiter : due) {
    MutexLock lock(*waiter->mutex);
    waiter->cv->notify_all();
  }
  MutexLock lock(state_mutex_);
  for (Waiter* waiter : due) waiter->busy = false;
  changed_.notify_all();
}

void FakeClock::Advance(Duration d) {
  MUSTER_CHECK(d >= Duration::zero(), "a steady clock cannot go back");
  std::vector<Waiter*> due;
  {
    MutexLock lock(state_mutex_);
    due = MoveTo(now_ + d);
  }
  Wake(due);
}

void FakeClock::Preempt(Duration d) {
  {
    MutexLock lock(state_mutex_);
    preempted_ += d;
  }
  Advance(d);
}

void FakeClock::AdvanceToNextDeadline(TimePoint limit) {
  std::vector<Waiter*> due;
  {
    MutexLock lock(state_mutex_);
    TimePoint next = limit;
    for (const Waiter* waiter : waiters_) {
      if (!waiter->woken) next = std::min(next, waiter->deadline);
    }
    due = MoveTo(std::max(next, now_));
  }
  Wake(due);
}

void FakeClock::AwaitWaiters(int n) {
  MutexLock lock(state_mutex_);
  const auto waits = [](const Waiter* waiter) { return !waiter->woken; };
  while (std::count_if(waiters_.begin(), waiters_.end(), waits) < n) Wait(state_mutex_, changed_);
}

void FakeClock::AwaitDeadline(TimePoint deadline) {
  MutexLock lock(state_mutex_);
  const auto waits = [deadline](const Waiter* waiter) {
    return !waiter->woken && waiter->deadline == deadline;
  };
  while (std::none_of(waiters_.begin(), waiters_.end(), waits)) Wait(state_mutex_, changed_);
}

void FakeClock::StepWallTime(Duration d) {
  MutexLock lock(state_mutex_);
  wall_at_start_ += std::chrono::floor<WallTime::duration>(d);
}

}  // namespace muster::base
