#include <algorithm>
#include <utility>

#include "muster/batching/internal/dispatch.h"
#include "muster/batching/internal/runner.h"

// How a loop's own thread runs batches at the end of its turn. It never waits: where it would have
// to (for a slot, for an instance that is not done) or where the work is not known to be short, an
// executor takes over.

namespace muster::batching {

/// The task at a turn's end. Dropped unrun with its loop, it lets the batcher know.
class Dispatch::TurnEnd {
 public:
  TurnEnd(std::shared_ptr<TurnEnds> shared, base::Loop& loop)
      : shared_(std::move(shared)), loop_(&loop) {}
  TurnEnd(TurnEnd&&) noexcept = default;
  ~TurnEnd() {
    if (shared_ == nullptr || !shared_->open.Enter()) return;
    shared_->dispatch.ForgetTurnEnd(*loop_);
    shared_->open.Leave();
  }

  // The answers are given when the batcher is no longer needed: one of them may be what its owner
  // waited for.
  void operator()() {
    const std::shared_ptr<TurnEnds> shared = std::move(shared_);
    if (!shared->open.Enter()) return;
    Deliveries answers;
    shared->dispatch.RunTurnEnd(*loop_, answers);
    shared->open.Leave();
    answers.Run();
  }

 private:
  std::shared_ptr<TurnEnds> shared_;
  base::Loop* loop_;
};

void Dispatch::AtTurnEnd(base::Loop& loop) { loop.AtEndOfTurn(TurnEnd(turn_ends_, loop)); }

// False: an executor should be woken if need be. True: nobody; `first` if the turn's end is still
// to be asked for.
bool Dispatch::WaitForTurnEnd(base::Loop& loop, base::TimePoint now, bool& first) {
  if (std::ranges::find(ending_, &loop, &Ending::loop) != ending_.end()) return true;
  if (searching_ > 0 || sleeping_.empty() || !budget_.Open(now) || !Ready(now)) return false;
  ending_.push_back({&loop});
  first = true;
  return true;
}

void Dispatch::ForgetTurnEnd(base::Loop& loop) {
  base::MutexLock lock(mutex_);
  std::erase_if(ending_, [&](const Ending& ending) { return ending.loop == &loop; });
  if (Seat* const woken = ClaimSleeper(clock_.Now())) woken->wake.notify_one();
}

void Dispatch::CloseTurnEnds() {
  turn_ends_->open.Close();
  turn_ends_->open.AwaitEmpty();
}

// While the sockets bring rows at each look, the loop has work to do anyway, and a run has a fixed
// cost: the rows of a few turns share one. A single row is nobody's company and is run at once.
bool Dispatch::LookAgainLater(base::Loop& loop) {
  constexpr int kMostLooks = 2;
  const auto ending = std::ranges::find(ending_, &loop, &Ending::loop);
  const std::int64_t waiting = queue_.waiting_rows();
  const bool more = waiting > std::max<std::int64_t>(ending->waiting, 1) && waiting < max_run_rows_;
  if (draining_ || !more || ending->looks == kMostLooks) return false;
  ending->waiting = waiting;
  ++ending->looks;
  return true;
}

void Dispatch::RunTurnEnd(base::Loop& loop, Deliveries& answers) {
  Deliveries dead;
  {
    base::MutexLock lock(mutex_);
    if (LookAgainLater(loop)) {
      lock.Unlock();
      return AtTurnEnd(loop);
    }
    std::erase_if(ending_, [&](const Ending& ending) { return ending.loop == &loop; });
    base::TimePoint now = clock_.Now();
    CollectDead(now, dead);
    bool others_served = false;
    while (Seat* const seat = Borrow(now)) {
      if (!MayRunHere(seat->batch, loop, others_served)) {
        HandOver(*seat);
        continue;
      }
      lock.Unlock();
      RunHere(*seat, loop, answers);
      lock.Lock();
      now = clock_.Now();
    }
    CollectDead(now, dead);  // what was found while batches were formed, too
  }
  FinishResults(answers);
  answers.Take(std::move(dead));
  answers.PostElsewhere(&loop);
}

// Rows of other loops are welcome in a batch with our own; of batches without any of ours one is
// run, lest a loop that has little to do works for all the others.
bool Dispatch::MayRunHere(const FormedBatch& batch, const base::Loop& loop, bool& others_served) {
  const bool ours = std::ranges::any_of(
      batch.slices, [&](const Slice& slice) { return slice.pending->item.home == &loop; });
  if (!ours && std::exchange(others_served, true)) return false;
  return budget_.Fits(batch.slices.front().pending->kind, batch.rows, TurnTime::Left(loop),
                      batch.formed);
}

void Dispatch::RunHere(Seat& seat, base::Loop& loop, Deliveries& answers) {
  Runner& runner = *seat.runner;
  runner.Begin(seat.batch.slices, BeginRun(seat.batch));
  if (!runner.succeeded()) return LeaveRun(seat, loop);
  const RunOutcome run = runner.Finish();
  Report(true, run.info.finished);
  base::RecycledVector<WorkPart> parts = PartsOf(*run.outputs, seat.batch.slices);
  TurnTime::Spend(loop, run.info.cost);
  device_.Release(flow_, run.info.finished - run.info.formed);
  answers.pending().reserve(answers.pending().size() + parts.size());
  FormedBatch batch;  // dies without the lock, and its requests with it
  {
    base::MutexLock lock(mutex_);
    batch = std::exchange(seat.batch, {});
    ++figures_.caller_runs;
    budget_.OnCallerRun(run.info.cost, run.info.finished);
    Settle(run.info, batch.slices, parts, answers);
    GiveBack(seat);
  }
}

// A run that failed may take many more to find out why, and one that is not over has no end that we
// know: both are the executor's from here.
void Dispatch::LeaveRun(Seat& seat, base::Loop& loop) {
  const base::TimePoint now = clock_.Now();
  TurnTime::Spend(loop, now - seat.batch.formed);
  base::MutexLock lock(mutex_);
  ++figures_.caller_runs;
  if (!seat.runner->completed()) budget_.Ban(now);
  seat.begun = true;
  HandOver(seat);
}

// A sleeper's seat with a batch formed on it, and a slot for its run. None: then whatever is ready
// is somebody else's to run, as the rule about wake-ups has it.
Seat* Dispatch::Borrow(base::TimePoint now) {
  if (draining_ || searching_ > 0 || sleeping_.empty() || !Ready(now)) return nullptr;
  if (!budget_.Open(now) || !device_.TryAcquire(flow_)) {
    if (Seat* const woken = ClaimSleeper(now)) woken->wake.notify_one();
    return nullptr;
  }
  FormedBatch batch = queue_.PopReady(now, nullptr);
  if (!batch) {
    // What seemed ready had been cancelled, or the policy wants more by now: what is left waits for
    // a time that nobody may have been told of.
    device_.Release(flow_, {});
    if (Seat* const woken = ClaimSleeper(now)) woken->wake.notify_one();
    return nullptr;
  }
  StartRunning(batch);
  Seat* const seat = sleeping_.back();
  sleeping_.pop_back();
  seat->holds_slot = true;
  seat->batch = std::move(batch);
  return seat;
}

void Dispatch::GiveBack(Seat& seat) {
  seat.holds_slot = false;
  if (!draining_) return sleeping_.push_back(&seat);
  seat.woken = true;  // StartDrain could not see it
  ++searching_;
  seat.wake.notify_one();
}

// Its executor wakes with the batch, and the slot.
void Dispatch::HandOver(Seat& seat) {
  seat.woken = true;
  ++figures_.wakeups;
  seat.wake.notify_one();
}

}  // namespace muster::batching
