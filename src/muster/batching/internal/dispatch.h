#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/gate.h"
#include "muster/base/loop.h"
#include "muster/base/mutex.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/batcher.h"
#include "muster/batching/device.h"
#include "muster/batching/internal/deliveries.h"
#include "muster/batching/internal/pending.h"
#include "muster/batching/internal/turn_budget.h"
#include "muster/telemetry/histogram.h"

namespace muster::batching {

class Runner;

/// An executor's place: where it sleeps, the slot of the device it holds, and its instance. While
/// the executor sleeps, a loop's thread may take the seat off the list of sleepers and use it.
struct Seat {
  base::CondVar wake;
  bool woken = false;
  bool holds_slot = false;
  base::Duration used{0};  // of the slot, not yet charged
  Runner* runner = nullptr;
  FormedBatch batch;   // that a loop's thread has formed on this seat
  bool begun = false;  // `runner` has begun to run it
  Deliveries answers;  // of the batch before, for Next to post
};

/// Everything that submitters, executors and the timekeeper share, behind one lock: the queue, who
/// sleeps, and the figures. No callback and no wait for a slot happens under it.
///
/// Wake-ups. An executor searches from when it wants work until it has a batch or sleeps. Whenever
/// the lock is free: if a batch is ready and an executor sleeps, another one searches. A submitter
/// wakes a sleeper only if none searches; whoever forms a batch and leaves more that is ready wakes
/// the next. So every launch wakes at most one executor and none is forgotten.
///
/// Caller runs. If the submitter is a loop's own thread, and the model's runs are short, it wakes
/// nobody: it looks at the queue itself at the end of the turn, when the sockets that were readable
/// together have added their rows, and runs what is ready on a sleeper's seat (dispatch_caller.cc).
/// To all others such a loop does not count as searching: their rows do not wait for its turn's
/// end.
///
/// Time. Executors sleep until woken; the timekeeper alone waits for a time: the nearest deadline
/// of a waiting request, or when a policy wants to be asked again while executors sleep. So expired
/// requests are answered on time though all instances are busy.
class Dispatch final : private CancelListener {
 public:
  Dispatch(const BatcherOptions& options, Device& device, base::Clock& clock);
  ~Dispatch();

  void Submit(WorkItem item);
  base::Status WouldAccept(base::TimePoint deadline);

  /// Blocks until a batch has been formed, holding a slot of the device; none: drained, holding
  /// none. Charges seat.used for the batch before, and posts seat.answers as soon as it is known
  /// whether the seat is free: the loop that gets them will soon have more to run.
  FormedBatch Next(Seat& seat);
  /// The run of a batch that was formed begins.
  RunInfo BeginRun(const FormedBatch& batch);
  /// A run of some rows of a failed batch begins.
  RunInfo BeginExtraRun(std::int64_t rows);
  /// Numbers a run.
  std::uint64_t NewRunId() { return next_run_.fetch_add(1, std::memory_order_relaxed); }

  /// A run is over: its rows have these parts (one for each slice, in order). Adds to `answers`
  /// what is answered by that; to be posted.
  void Succeed(const RunInfo& run, std::span<const Slice> slices, std::span<WorkPart> parts,
               Deliveries& answers);
  /// What became of a batch is known: see BatcherOptions::on_batch.
  void Report(bool succeeded, base::TimePoint now) const {
    if (on_batch_) on_batch_(succeeded, now);
  }
  /// A run failed; its rows are not settled by that.
  void Retry(const RunInfo& run, std::span<const Slice> slices);
  /// Settles rows: they have no value. All of its rows if a request is isolated as a whole.
  void Fail(std::span<const Slice> slices, const base::Error& error);
  /// Marks the open units that must not run again, and answers those that are past their deadline.
  void CloseDead(std::span<const Slice> units, std::vector<bool>& open);
  void IsolateClient(const std::string& client);
  bool any_run_succeeded() const;

  /// Answers what expires and wakes executors when time has come; returns after StopTimekeeper.
  void KeepTime();
  void StartDrain();
  void StopTimekeeper();
  /// Blocks until no loop is in a batcher's turn end; what comes later finds it closed.
  void CloseTurnEnds();
  void FillSnapshot(BatcherSnapshot& snapshot) const;

 private:
  class TurnEnd;
  /// What the tasks at turns' ends share with the batcher, which may be gone when they run.
  struct TurnEnds {
    explicit TurnEnds(Dispatch& d) : dispatch(d) {}
    base::Gate open;
    Dispatch& dispatch;  // valid inside the gate only
  };

  void OnCancelled(Pending& pending) noexcept override;

  bool WaitForTurnEnd(base::Loop& loop, base::TimePoint now, bool& first) MUSTER_REQUIRES(mutex_);
  void AtTurnEnd(base::Loop& loop);
  bool LookAgainLater(base::Loop& loop) MUSTER_REQUIRES(mutex_);
  void RunTurnEnd(base::Loop& loop, Deliveries& answers);
  void ForgetTurnEnd(base::Loop& loop);
  bool MayRunHere(const FormedBatch& batch, const base::Loop& loop, bool& others_served)
      MUSTER_REQUIRES(mutex_);
  void RunHere(Seat& seat, base::Loop& loop, Deliveries& answers);
  void LeaveRun(Seat& seat, base::Loop& loop);
  Seat* Borrow(base::TimePoint now) MUSTER_REQUIRES(mutex_);
  void GiveBack(Seat& seat) MUSTER_REQUIRES(mutex_);
  void HandOver(Seat& seat) MUSTER_REQUIRES(mutex_);
  void StartRunning(const FormedBatch& batch) MUSTER_REQUIRES(mutex_);

  base::Status Accept(const PendingPtr& pending, base::TimePoint now) MUSTER_REQUIRES(mutex_);
  bool Ready(base::TimePoint now) MUSTER_REQUIRES(mutex_);
  Seat* ClaimSleeper(base::TimePoint now) MUSTER_REQUIRES(mutex_);
  void PostAnswers(Seat& seat) MUSTER_REQUIRES(mutex_);
  void Sleep(Seat& seat) MUSTER_REQUIRES(mutex_);
  void Arm(base::TimePoint when) MUSTER_REQUIRES(mutex_);
  bool TakeSlot(Seat& seat) MUSTER_REQUIRES(mutex_);
  void GiveSlotBack(Seat& seat) MUSTER_REQUIRES(mutex_);
  bool PostDead(base::TimePoint now) MUSTER_REQUIRES(mutex_);
  void CollectDead(base::TimePoint now, Deliveries& out) MUSTER_REQUIRES(mutex_);
  void CountOutcome(const base::Error& error) MUSTER_REQUIRES(mutex_);
  void CountRun(const RunInfo& run, bool succeeded) MUSTER_REQUIRES(mutex_);
  void Settle(const RunInfo& run, std::span<const Slice> slices, std::span<WorkPart> parts,
              Deliveries& done) MUSTER_REQUIRES(mutex_);
  void FailSlice(const Slice& slice, const base::Error& error, base::TimePoint at)
      MUSTER_REQUIRES(mutex_);
  void AnswerIfComplete(const PendingPtr& pending, Deliveries& out) MUSTER_REQUIRES(mutex_);
  void FinishResults(Deliveries& done);
  void Finish(Deliveries& done);

  base::Clock& clock_;
  Device& device_;
  const Device::FlowId flow_;
  const std::int64_t max_run_rows_;
  const bool caller_runs_;
  const std::function<void(bool, base::TimePoint)> on_batch_;
  const std::shared_ptr<TurnEnds> turn_ends_;
  std::atomic<std::uint64_t> next_run_{1};

  mutable base::Mutex mutex_;
  BatchQueue queue_ MUSTER_GUARDED_BY(mutex_);
  std::vector<Seat*> sleeping_ MUSTER_GUARDED_BY(mutex_);  // the last to fall asleep wakes first
  int searching_ MUSTER_GUARDED_BY(mutex_) = 0;
  bool draining_ MUSTER_GUARDED_BY(mutex_) = false;
  /// A loop at whose turn's end we look, and what waited when we looked last.
  struct Ending {
    base::Loop* loop;
    std::int64_t waiting = 0;
    int looks = 0;
  };
  std::vector<Ending> ending_ MUSTER_GUARDED_BY(mutex_);
  TurnBudget budget_ MUSTER_GUARDED_BY(mutex_);

  base::CondVar timekeeper_;
  base::TimePoint armed_ MUSTER_GUARDED_BY(mutex_) = base::kNever;
  bool stop_timekeeper_ MUSTER_GUARDED_BY(mutex_) = false;

  BatcherSnapshot figures_ MUSTER_GUARDED_BY(mutex_);  // its counters and what runs; no histograms
  telemetry::Histogram batch_rows_;
  telemetry::Histogram queue_wait_;
  telemetry::Histogram run_time_;
};

}  // namespace muster::batching
