#include "muster/batching/internal/dispatch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "muster/base/recycled.h"
#include "muster/batching/internal/bucket.h"

namespace muster::batching {
namespace {

base::Error OutcomeOfDead(const Pending& pending, base::TimePoint now) {
  if (pending.given_up) {
    return base::DeadlineExceeded("the deadline could not be met any more", "EXPIRED");
  }
  if (pending.item.deadline <= now) {
    return base::DeadlineExceeded("the deadline passed in the queue", "EXPIRED");
  }
  return base::Cancelled("the client gave the request up");
}

}  // namespace

Dispatch::Dispatch(const BatcherOptions& options, Device& device, base::Clock& clock)
    : clock_(clock),
      device_(device),
      flow_(device.AddFlow(options.name)),
      max_run_rows_(options.policy.max_batch_size),
      caller_runs_(options.executor == ExecutorKind::kAuto && options.threads_per_instance == 1),
      on_batch_(options.on_batch),
      turn_ends_(std::make_shared<TurnEnds>(*this)),
      queue_({.max_rows = options.max_queue_rows,
              .max_bytes = options.max_queue_bytes,
              .isolate_for = options.isolate_for,
              .instances = options.instances,
              .max_run_rows = options.policy.max_batch_size},
             MakePolicy(options.policy)) {
  sleeping_.reserve(static_cast<std::size_t>(options.instances));
}

Dispatch::~Dispatch() { device_.RemoveFlow(flow_); }

// --- Requests come and go

void Dispatch::Submit(WorkItem item) {
  const auto pending = std::allocate_shared<Pending>(base::Recycled<Pending>(), std::move(item));
  // Before the request can be seen by anyone, and without the lock: a token that is stopped already
  // calls back from within the constructor.
  if (pending->item.cancelled.stop_possible()) {
    pending->on_cancel.emplace(pending->item.cancelled, NotifyCancelled{this, pending.get()});
  }
  const bool in_turn = caller_runs_ && pending->item.home->IsCurrent();
  Deliveries done;
  Seat* woken = nullptr;
  bool first_in_turn = false;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    CollectDead(now, done);
    ++figures_.requests;
    figures_.rows += static_cast<std::uint64_t>(pending->item.rows);
    base::Status accepted = Accept(pending, now);
    if (accepted) {
      if (!in_turn || !WaitForTurnEnd(*pending->item.home, now, first_in_turn)) {
        woken = ClaimSleeper(now);
      }
      Arm(queue_.NextDeadline());
    } else {
      CountOutcome(accepted.error());
      pending->outcome = accepted.error();
      done.Add(pending);
    }
  }
  if (first_in_turn) AtTurnEnd(*pending->item.home);
  if (woken != nullptr) woken->wake.notify_one();
  done.Post();
}

base::Status Dispatch::WouldAccept(base::TimePoint deadline) {
  Deliveries dead;
  base::Status accepted;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    CollectDead(now, dead);
    accepted = queue_.WouldAccept(deadline, now);
    if (!accepted) {
      ++figures_.requests;
      ++figures_.rows;
      CountOutcome(accepted.error());
    }
  }
  dead.Post();
  return accepted;
}

base::Status Dispatch::Accept(const PendingPtr& pending, base::TimePoint now) {
  const bool cancelled = pending->state == Pending::State::kCancelled;
  base::Status accepted =
      cancelled ? base::Cancelled("the client gave the request up") : queue_.Push(pending, now);
  pending->state = accepted ? Pending::State::kAccepted : Pending::State::kAnswered;
  if (accepted) pending->kind = pending->bucket->hash;
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
    pending->outcome = OutcomeOfDead(*pending, now);
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

// Whoever wakes it has taken it off the list, and counted it as searching or given it a batch.
void Dispatch::Sleep(Seat& seat) {
  --searching_;
  seat.woken = false;
  sleeping_.push_back(&seat);
  PostAnswers(seat);
  while (!seat.woken) clock_.WaitUntil(mutex_, seat.wake, base::kNever);
}

void Dispatch::PostAnswers(Seat& seat) {
  if (seat.answers.empty()) return;
  mutex_.unlock();
  seat.answers.Post();
  mutex_.lock();
}

// True if the lock was let go meanwhile.
bool Dispatch::TakeSlot(Seat& seat) {
  if (!seat.holds_slot && device_.TryAcquire(flow_)) {
    seat.holds_slot = true;
    return false;
  }
  mutex_.unlock();
  if (seat.holds_slot) {
    device_.Renew(flow_, std::exchange(seat.used, {}));
  } else {
    device_.Acquire(flow_);
  }
  seat.holds_slot = true;
  mutex_.lock();
  return true;
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
    base::TimePoint now = clock_.Now();
    if (PostDead(now)) continue;
    if (!Ready(now)) {
      if (seat.holds_slot) {
        GiveSlotBack(seat);
      } else if (draining_) {
        --searching_;
        PostAnswers(seat);
        return {};
      } else {
        Sleep(seat);
        if (seat.batch) return std::exchange(seat.batch, {});
      }
      continue;
    }
    if (!seat.answers.empty()) {  // before any wait for a slot
      PostAnswers(seat);
      continue;
    }
    if (TakeSlot(seat)) now = clock_.Now();  // and others may have taken the work
    FormedBatch batch = queue_.PopReady(now, nullptr);
    if (!batch) continue;
    --searching_;
    StartRunning(batch);
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

}  // namespace muster::batching
