#pragma once

#include <cstdint>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/loop.h"
#include "muster/base/mutex.h"
#include "muster/server/http/internal/asio.h"
#include "muster/server/http/internal/operation_slot.h"
#include "muster/server/http/timer_heap.h"

namespace muster::server::http {

/// base::Loop over one thread's boost::asio::io_context, which the sockets of that thread use too.
/// `clock` must be the machine's (RealClock): sleeping is the kernel's.
///
///   AsioLoop loop(RealClock());
///   std::jthread thread([&] { loop.Run(); });
///   loop.Post([] { ... });
///   loop.Stop();
class AsioLoop final : public base::Loop {
 public:
  explicit AsioLoop(base::Clock& clock);
  void Post(Task task) override;
  void AtEndOfTurn(Task task) override;
  TimerId At(base::TimePoint when, Task task) override;
  void CancelTimer(TimerId id) override;
  base::TimePoint Now() const override { return clock_.Now(); }
  bool IsCurrent() const override { return io_.get_executor().running_in_this_thread(); }
  std::uint64_t turn() const override { return turn_; }

  /// Runs on the calling thread, the loop's from now on, until Stop.
  void Run();
  /// Makes Run return soon; what was not run yet is dropped with the loop. Thread-safe.
  void Stop() { io_.stop(); }
  boost::asio::io_context& io() { return io_; }

 private:
  void RunPosted();
  void RunEndOfTurn();
  void RunTimers();
  void Arm();

  base::Clock& clock_;
  // Before io_, which destroys what is still pending.
  OperationSlot posted_slot_;  // taken only by who finds posted_ empty, so by one at a time
  OperationSlot end_slot_;
  OperationSlot alarm_slot_;
  mutable boost::asio::io_context io_;  // asking it for its executor changes nothing
  base::Mutex mutex_;
  std::vector<Task> posted_ MUSTER_GUARDED_BY(mutex_);
  std::vector<Task> running_;      // taken from posted_; the two swap their memory
  std::vector<Task> end_of_turn_;  // likewise
  std::vector<Task> ending_;
  std::uint64_t turn_ = 0;  // that ended with something to run at its end
  TimerHeap timers_;
  boost::asio::steady_timer alarm_;
  base::TimePoint armed_for_ = base::kNever;
};

}  // namespace muster::server::http
