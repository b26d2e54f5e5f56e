#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "muster/base/loop.h"

namespace muster::base {

/// A Loop that the test drives: nothing runs until RunTurn or RunUntilIdle is called, on the
/// calling thread. Post is thread-safe. Time is that of the given clock.
class FakeLoop : public Loop {
 public:
  explicit FakeLoop(Clock& clock) : clock_(clock) {}
  void Post(Task task) override;
  void AtEndOfTurn(Task task) override;
  TimerId At(TimePoint when, Task task) override;
  void CancelTimer(TimerId id) override;
  TimePoint Now() const override { return clock_.Now(); }
  bool IsCurrent() const override { return thread_ == std::this_thread::get_id(); }
  std::uint64_t turn() const override { return turn_; }

  /// Runs what was posted and what is due, then the end-of-turn tasks. False if there was nothing.
  bool RunTurn();
  void RunUntilIdle();
  /// Blocks until something has been posted (by another thread), then runs until idle.
  void AwaitAndRun();

 private:
  bool RunPosted();
  bool RunTimers();

  Clock& clock_;
  Mutex mutex_;
  CondVar posted_;
  std::deque<Task> tasks_ MUSTER_GUARDED_BY(mutex_);
  std::vector<Task> end_of_turn_;
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  TimerId next_timer_ = 1;
  std::atomic<std::thread::id> thread_;  // that runs a turn, while it does
  std::uint64_t turn_ = 0;
};

}  // namespace muster::base
