#include "muster/base/fake_loop.h"

#include <algorithm>

namespace muster::base {

void FakeLoop::Post(Task task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  posted_.notify_all();
}

void FakeLoop::AtEndOfTurn(Task task) { end_of_turn_.push_back(std::move(task)); }

Loop::TimerId FakeLoop::At(TimePoint when, Task task) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::pair(when, id), std::move(task));
  return id;
}

void FakeLoop::CancelTimer(TimerId id) {
  const auto has_id = [id](const auto& timer) { return timer.first.second == id; };
  const auto timer = std::find_if(timers_.begin(), timers_.end(), has_id);
  if (timer == timers_.end()) return;
  // Destroying the task may set or cancel timers, so the entry goes first.
  auto node = timers_.extract(timer);
}

bool FakeLoop::RunTurn() {
  thread_ = std::this_thread::get_id();
  const bool ran_posted = RunPosted();
  const bool ran_timers = RunTimers();
  bool ran_end = false;
  // Again and again: an end-of-turn task may add another, which belongs to this turn too.
  while (!end_of_turn_.empty()) {
    std::vector<Task> tasks = std::exchange(end_of_turn_, {});
    for (Task& task : tasks) std::exchange(task, nullptr)();
    ran_end = true;
  }
  ++turn_;
  thread_ = std::thread::id();
  return ran_posted || ran_timers || ran_end;
}

// Only what is there now: what these tasks post is the next turn's.
bool FakeLoop::RunPosted() {
  std::deque<Task> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) std::exchange(task, nullptr)();
  return !tasks.empty();
}

// Only what is due now; looked up again before each runs, because one may cancel the next.
bool FakeLoop::RunTimers() {
  std::vector<std::pair<TimePoint, TimerId>> due;
  const TimePoint now = Now();
  for (const auto& [key, task] : timers_) {
    if (key.first > now) break;
    due.push_back(key);
  }
  bool ran = false;
  for (const auto& key : due) {
    auto node = timers_.extract(key);
    if (node.empty()) continue;
    node.mapped()();
    ran = true;
  }
  return ran;
}

void FakeLoop::RunUntilIdle() {
  while (RunTurn()) {
  }
}

void FakeLoop::AwaitAndRun() {
  {
    MutexLock lock(mutex_);
    while (tasks_.empty()) Wait(mutex_, posted_);
  }
  RunUntilIdle();
}

}  // namespace muster::base
