#include "muster/batching/internal/dispatch.h"

#include <algorithm>
#include <string>
#include <utility>

namespace muster::batching {

Dispatch::Dispatch(const BatcherOptions& options, Device& device, base::Clock& clock)
    : clock_(clock),
      device_(device),
      flow_(device.AddFlow(options.name)),
      queue_({options.max_queue_rows, options.max_queue_bytes, options.isolate_for},
             MakePolicy(options.policy)) {
  sleeping_.reserve(static_cast<std::size_t>(options.instances));
}

Dispatch::~Dispatch() { device_.RemoveFlow(flow_); }

// --- Requests come and go

void Dispatch::Submit(WorkItem item) {
  const auto pending = std::make_shared<Pending>(std::move(item));
  // Before the request can be seen by anyone, and without the lock: a token that is stopped already
  // calls back from within the constructor.
  if (pending->item.cancelled.stop_possible()) {
    pending->on_cancel.emplace(pending->item.cancelled, NotifyCancelled{this, pending.get()});
  }
  Deliveries done;
  Seat* woken = nullptr;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    CollectDead(now, done);
    ++figures_.requests;
    figures_.rows += static_cast<std::uint64_t>(pending->item.rows);
    base::Status accepted = Accept(pending, now);
    if (accepted) {
      woken = ClaimSleeper(now);
      Arm(queue_.NextDeadline());
    } else {
      CountOutcome(accepted.error());
      pending->outcome = accepted.error();
      done.Add(pending);
    }
  }
  if (woken != nullptr) woken->wake.notify_one();
  done.Post();
}

base::Status Dispatch::Accept(const PendingPtr& pending, base::TimePoint now) {
  const bool cancelled = pending->state == Pending::State::kCancelled;
  base::Status accepted =
      cancelled ? base::Cancelled("the client gave the request up") : queue_.Push(pending, now);
  pending->state = accepted ? Pending::State::kAccepted : Pending::State::kAnswered;
  return accepted;
}

// Runs on the thread that cancels. An accepted request is referenced by the queue or by a run, so
// it can be shared from here; its answer is decided now, and runs drop what they have for it.
void Dispatch::OnCancelled(Pending& pending) noexcept {
  PendingPtr self;
  {
    base::MutexLock lock(mutex_);
    if (pending.state == Pending::State::kNew) pending.state = Pending::State::kCancelled;
    if (pending.state != Pending::State::kAccepted) return;
    pending.state = Pending::State::kAnswered;
    self = pending.shared_from_this();
    queue_.Remove(self);
    ++figures_.requests_cancelled;
    self->outcome = base::Cancelled("the client gave the request up");
  }
  Deliveries::PostFromStopCallback(std::move(self));
}

void Dispatch::CollectDead(base::TimePoint now, Deliveries& out) {
  if (queue_.NextDeadline() > now) return;
  for (PendingPtr& pending : queue_.RemoveDead(now)) {
    if (pending->state != Pending::State::kAccepted) continue;
    pending->state = Pending::State::kAnswered;
    pending->outcome = pending->item.deadline <= now
                           ? base::DeadlineExceeded("the deadline passed in the queue", "EXPIRED")
                           : base::Cancelled("the client gave the request up");
    CountOutcome(pending->outcome->error());
    out.Add(std::move(pending));
  }
}

bool Dispatch::PostDead(base::TimePoint now) {
  Deliveries dead;
  CollectDead(now, dead);
  if (dead.empty()) return false;
  mutex_.unlock();
  dead.Post();
  mutex_.lock();
  return true;
}

void Dispatch::CountOutcome(const base::Error& error) {
  switch (error.code) {
    case base::Code::kCancelled:
      ++figures_.requests_cancelled;
      break;
    case base::Code::kDeadlineExceeded:
      ++figures_.requests_expired;
      break;
    default:
      ++figures_.requests_refused;
  }
}

// --- Executors sleep and wake

bool Dispatch::Ready(base::TimePoint now) {
  base::TimePoint wake = base::kNever;
  if (queue_.HasReady(now, &wake)) return true;
  Arm(wake);
  return false;
}

Seat* Dispatch::ClaimSleeper(base::TimePoint now) {
  if (searching_ > 0 || sleeping_.empty() || !Ready(now)) return nullptr;
  Seat* const seat = sleeping_.back();
  sleeping_.pop_back();
  seat->woken = true;
  ++searching_;
  ++figures_.wakeups;
  return seat;
}

// Whoever wakes it has taken it off the list and counted it as searching.
void Dispatch::Sleep(Seat& seat) {
  --searching_;
  seat.woken = false;
  sleeping_.push_back(&seat);
  while (!seat.woken) clock_.WaitUntil(mutex_, seat.wake, base::kNever);
}

void Dispatch::TakeSlot(Seat& seat) {
  if (!seat.holds_slot && device_.TryAcquire(flow_)) {
    seat.holds_slot = true;
    return;
  }
  mutex_.unlock();
  if (seat.holds_slot) {
    device_.Renew(flow_, std::exchange(seat.used, {}));
  } else {
    device_.Acquire(flow_);
  }
  seat.holds_slot = true;
  mutex_.lock();
}

void Dispatch::GiveSlotBack(Seat& seat) {
  seat.holds_slot = false;
  mutex_.unlock();
  device_.Release(flow_, std::exchange(seat.used, {}));
  mutex_.lock();
}

FormedBatch Dispatch::Next(Seat& seat) {
  base::MutexLock lock(mutex_);
  ++searching_;
  for (;;) {
    if (PostDead(clock_.Now())) continue;
    if (!Ready(clock_.Now())) {
      if (seat.holds_slot) {
        GiveSlotBack(seat);
      } else if (draining_) {
        --searching_;
        return {};
      } else {
        Sleep(seat);
      }
      continue;
    }
    TakeSlot(seat);  // others may take the work meanwhile
    const base::TimePoint now = clock_.Now();
    FormedBatch batch = queue_.PopReady(now, nullptr);
    if (!batch) continue;
    --searching_;
    ++figures_.running;
    figures_.running_rows += batch.rows;
    Seat* const next = ClaimSleeper(now);
    Deliveries dead;
    CollectDead(now, dead);
    lock.Unlock();
    if (next != nullptr) next->wake.notify_one();
    dead.Post();
    return batch;
  }
}

// --- Time

void Dispatch::Arm(base::TimePoint when) {
  if (when >= armed_) return;
  armed_ = when;
  timekeeper_.notify_one();
}

void Dispatch::KeepTime() {
  base::MutexLock lock(mutex_);
  while (!stop_timekeeper_) {
    const base::TimePoint now = clock_.Now();
    if (PostDead(now)) continue;
    armed_ = base::kNever;
    Seat* const woken = ClaimSleeper(now);  // arms for what is not ready yet
    Arm(queue_.NextDeadline());
    if (woken == nullptr) {
      clock_.WaitUntil(mutex_, timekeeper_, armed_);
      continue;
    }
    lock.Unlock();
    woken->wake.notify_one();
    lock.Lock();
  }
}

void Dispatch::StopTimekeeper() {
  base::MutexLock lock(mutex_);
  stop_timekeeper_ = true;
  timekeeper_.notify_one();
}

void Dispatch::StartDrain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
  queue_.Drain();
  for (Seat* const seat : sleeping_) {
    seat->woken = true;
    ++searching_;
    seat->wake.notify_one();
  }
  sleeping_.clear();
}

// --- Runs

RunInfo Dispatch::BeginExtraRun(std::int64_t rows) {
  base::MutexLock lock(mutex_);
  ++figures_.running;
  figures_.running_rows += rows;
  RunInfo run;
  run.id = NewRunId();
  run.rows = rows;
  run.reason = LaunchReason::kIsolate;
  run.formed = clock_.Now();
  return run;
}

void Dispatch::CountRun(const RunInfo& run, bool succeeded) {
  --figures_.running;
  figures_.running_rows -= run.rows;
  ++figures_.runs;
  ++figures_.launches[static_cast<std::size_t>(run.reason)];
  const base::Duration time = run.finished - run.started;
  batch_rows_.Record(static_cast<std::uint64_t>(run.rows));
  run_time_.Record(time);
  if (succeeded) {
    queue_.OnRun(run.rows, time);
  } else {
    ++figures_.failed_runs;
  }
}

void Dispatch::Succeed(const RunInfo& run, std::span<const Slice> slices,
                       std::span<WorkPart> parts) {
  Deliveries done;
  {
    base::MutexLock lock(mutex_);
    CountRun(run, true);
    for (std::size_t i = 0; i < slices.size(); ++i) {
      Pending& pending = *slices[i].pending;
      if (pending.state == Pending::State::kAnswered) continue;
      pending.progress.AddRun(run, slices[i].first_row, slices[i].rows);
      pending.progress.AddPart(std::move(parts[i]));
      AnswerIfComplete(slices[i].pending, done);
    }
  }
  Finish(done);
}

void Dispatch::Retry(const RunInfo& run, std::span<const Slice> slices) {
  base::MutexLock lock(mutex_);
  CountRun(run, false);
  for (const Slice& slice : slices) {
    if (slice.pending->state == Pending::State::kAnswered) continue;
    slice.pending->progress.AddRun(run, slice.first_row, slice.rows);
  }
}

void Dispatch::Fail(std::span<const Slice> slices, const base::Error& error) {
  Deliveries done;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    for (const Slice& slice : slices) {
      FailSlice(slice, error, now);
      AnswerIfComplete(slice.pending, done);
    }
  }
  Finish(done);
}

void Dispatch::FailSlice(const Slice& slice, const base::Error& error, base::TimePoint at) {
  Pending& pending = *slice.pending;
  if (pending.state == Pending::State::kAnswered) return;
  if (pending.item.isolation == Isolation::kRow) {
    pending.progress.AddErrors(slice.first_row, slice.rows, error, at);
    return;
  }
  pending.progress.FailWhole(error, at);
  queue_.Remove(slice.pending);
}

void Dispatch::CloseDead(std::span<const Slice> units, std::vector<bool>& open) {
  Deliveries done;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    const base::Error late = base::DeadlineExceeded(
        "the deadline passed before the row could be run again without those that made the run "
        "fail");
    for (std::size_t i = 0; i < units.size(); ++i) {
      if (!open[i]) continue;
      if (units[i].pending->item.deadline <= now) {
        FailSlice(units[i], late, now);
        AnswerIfComplete(units[i].pending, done);
        open[i] = false;
      } else if (units[i].pending->state == Pending::State::kAnswered) {
        open[i] = false;
      }
    }
  }
  Finish(done);
}

void Dispatch::AnswerIfComplete(const PendingPtr& pending, Deliveries& out) {
  if (pending->state == Pending::State::kAnswered || !pending->progress.complete()) return;
  pending->state = Pending::State::kAnswered;
  const std::int64_t failed = pending->progress.rows_failed();
  figures_.rows_failed += static_cast<std::uint64_t>(failed);
  figures_.rows_succeeded += static_cast<std::uint64_t>(pending->item.rows - failed);
  ++figures_.requests_answered;
  out.Add(pending);
}

// Answered requests are ours alone: the rest needs no lock.
void Dispatch::Finish(Deliveries& done) {
  for (const PendingPtr& pending : done.pending()) {
    WorkResult result = std::move(pending->progress).Finish(pending->arrival);
    queue_wait_.Record(result.queue);
    pending->outcome = std::move(result);
  }
  done.Post();
}

void Dispatch::IsolateClient(const std::string& client) {
  base::MutexLock lock(mutex_);
  queue_.IsolateClient(client, clock_.Now());
}

bool Dispatch::any_run_succeeded() const {
  base::MutexLock lock(mutex_);
  return figures_.runs > figures_.failed_runs;
}

void Dispatch::FillSnapshot(BatcherSnapshot& snapshot) const {
  base::MutexLock lock(mutex_);
  snapshot = figures_;
  snapshot.waiting_rows = queue_.waiting_rows();
  snapshot.waiting_requests = queue_.waiting_requests();
  if (snapshot.waiting_requests > 0) {
    snapshot.oldest_wait = std::max(base::Duration(0), clock_.Now() - queue_.OldestArrival());
  }
  snapshot.batch_rows = batch_rows_.Snapshot();
  snapshot.queue_wait = queue_wait_.Snapshot();
  snapshot.run_time = run_time_.Snapshot();
}

}  // namespace muster::batching
