#include <algorithm>

#include "muster/batching/internal/queue_checker.h"

// What PopReady gives: who must run, who may, and with whom.

namespace muster::batching {
namespace {

constexpr std::int64_t kAimdRows = 512;  // the policy's own largest batch

}  // namespace

FormedBatch QueueChecker::PopReady(base::TimePoint now, base::TimePoint* wake) {
  base::TimePoint foreseen = base::kNever;
  const bool tell_first = AllRunnable(now);
  const bool ready = tell_first && queue_.HasReady(now, &foreseen);
  Tell(now);
  Expire();
  *wake = base::kNever;
  FormedBatch batch = queue_.PopReady(now, wake);
  // What a run teaches may change its mind under policy aimd.
  if (tell_first && policy_.kind != PolicyKind::kAimd) {
    Require(ready == static_cast<bool>(batch), "HasReady and PopReady disagree");
    Require(batch || *wake == foreseen, "HasReady and PopReady want to wake at different times");
  }
  CheckAlive(batch);
  const Popped popped = CollectAfterPop(now);
  tally_.given_up += static_cast<std::int64_t>(popped.given_up.size());
  tally_.dropped += popped.dropped;
  if (violation_) return batch;
  if (batch) {
    CheckBatch(batch, popped);
  } else {
    CheckNothingReady(popped, *wake);
  }
  return batch;
}

bool QueueChecker::AllRunnable(base::TimePoint now) const {
  return now >= told_ && std::ranges::all_of(waiting_, [now](const Entry& entry) {
           return entry.live() && entry.deadline > now;
         });
}

QueueChecker::Popped QueueChecker::CollectAfterPop(base::TimePoint now) {
  Popped popped;
  const base::TimePoint next = queue_.NextDeadline();
  const std::vector<PendingPtr> dead = queue_.RemoveDead(now);
  Require(dead.empty() || next == base::TimePoint::min(), "nobody is told that some are dead");
  for (const PendingPtr& pending : dead) {
    if (std::erase(expired_, pending) > 0) continue;
    Entry* const entry = Find(pending.get());
    Require(entry != nullptr, "one dies that was not waiting");
    if (entry == nullptr) return popped;
    if (pending->given_up) {
      Require(options_.drop_late, "given up though nothing may be");
      Require(entry->key.deadline != base::kNever, "given up without an explicit deadline");
      Require(MayBeLate(*entry), "given up though it could not be late");
      popped.given_up.push_back(*entry);
    } else {
      Require(!entry->live(), "one dies for no reason");
    }
    popped.dropped = popped.dropped || !entry->live();
    waiting_.erase(waiting_.begin() + (entry - waiting_.data()));
  }
  Require(expired_.empty(), "an expired request is not among the dead");
  return popped;
}

// In the largest run, by the queue's own estimate.
bool QueueChecker::MayBeLate(const Entry& entry) const {
  if (entry.curve == nullptr || !entry.curve->known()) return false;
  return entry.deadline < told_ + entry.curve->Upper(options_.max_run_rows, told_);
}

void QueueChecker::CheckAlive(const FormedBatch& batch) {
  for (const Slice& slice : batch.slices) {
    const bool expired = std::ranges::find(expired_, slice.pending) != expired_.end();
    Require(!expired, "an expired row runs");
    const Entry* const entry = Find(slice.pending.get());
    Require(entry == nullptr || entry->live(), "a cancelled row runs");
  }
}

void QueueChecker::CheckNothingReady(const Popped& popped, base::TimePoint wake) {
  tally_.waits += wake != base::kNever;
  for (const Entry& entry : waiting_) {
    Require(!entry.live() || !Due(entry, Count::kLive), "nothing runs though something is ready");
  }
  Require(popped.given_up.empty() || popped.dropped, "given up for no batch");
  Require(wake > told_, "to wake at a time that has passed");
  Require(wake == NextWindow(), "to wake at another time than when the next window ends");
}

// Whether the policy must launch the bucket of `of`; `count` says whether rows of those that were
// cancelled, which the queue may not know, count.
bool QueueChecker::Due(const Entry& of, Count count) const {
  if (policy_.kind == PolicyKind::kAdaptive || policy_.kind == PolicyKind::kNone) return true;
  if (draining_) return true;
  std::int64_t rows = 0;
  base::TimePoint oldest = base::kNever;
  for (const Entry& entry : waiting_) {
    if (!Together(entry, of) || (count == Count::kLive && !entry.live())) continue;
    rows += entry.untaken();
    oldest = std::min(oldest, entry.arrival);
  }
  const bool aimd = policy_.kind == PolicyKind::kAimd;
  const std::int64_t full =
      aimd ? std::min(kAimdRows, policy_.max_batch_size) : policy_.max_batch_size;
  return rows >= full || oldest + window_ <= told_;
}

base::TimePoint QueueChecker::NextWindow() const {
  if (policy_.kind == PolicyKind::kAdaptive || policy_.kind == PolicyKind::kNone) {
    return base::kNever;
  }
  base::TimePoint next = base::kNever;
  for (const Entry& entry : waiting_) next = std::min(next, entry.arrival + window_);
  return next;
}

void QueueChecker::CheckBatch(const FormedBatch& batch, const Popped& popped) {
  Require(batch.formed == told_, "formed at another time");
  Require(batch.number > last_batch_, "two batches of one number");

  last_batch_ = batch.number;
  ++under_way_;
  CheckSlices(batch);
  if (violation_) return;
  CheckTurn(batch, popped);
  Take(batch);
}

// That each slice may run, and with the others.
void QueueChecker::CheckSlices(const FormedBatch& batch) {
  std::int64_t rows = 0;
  const Entry* first = nullptr;
  const Entry* last = nullptr;
  for (const Slice& slice : batch.slices) {
    const Entry* const entry = Find(slice.pending.get());
    Require(entry != nullptr, "a row runs that was not waiting");
    if (entry == nullptr) return;
    if (first == nullptr) first = entry;
    Require(entry != last, "a row runs twice, or never");
    Require(entry->width == first->width, "two shapes in a batch");
    Require(Together(*entry, *first), "an isolated client's row runs beside others");
    Require(last == nullptr || last->key < entry->key, "rows of a batch are out of order");
    Require(last == nullptr || (&slice)[-1].rows == last->untaken(),
            "the next request begins before the last is done");
    Require(slice.first_row == entry->taken, "a row runs twice, or never");
    Require(slice.rows >= 1 && slice.rows <= entry->untaken(), "rows that a request has not");
    rows += slice.rows;
    last = entry;
  }
  Require(first != nullptr && rows == batch.rows, "a batch's rows are not those of its slices");
  Require(rows <= options_.max_run_rows, "a batch is too large");
  Require(policy_.kind != PolicyKind::kNone || batch.slices.size() == 1,
          "two requests in a run under policy none");
}

// That it was the turn of these, of all that might have run.
void QueueChecker::CheckTurn(const FormedBatch& batch, const Popped& popped) {
  const Entry& first = *Find(batch.slices.front().pending.get());
  const Entry& last = *Find(batch.slices.back().pending.get());
  OrderKey turn = first.key;
  for (const Entry& entry : popped.given_up) {
    turn = std::min(turn, entry.key);
    Require(popped.dropped || Together(entry, first), "given up for another bucket's batch");
    const bool lower = entry.key.negated_priority > first.key.negated_priority;
    Require(popped.dropped || lower || entry.key < first.key,
            "given up though neither before the batch nor of a lower class");
  }
  std::size_t before = 0;
  for (const Entry& entry : waiting_) {
    if (!entry.live()) continue;
    if (Together(entry, first)) {
      before += entry.key <= last.key;
    } else if (entry.key < turn) {
      Require(!Due(entry, Count::kLive), "another bucket's turn was before");
    }
  }
  Require(before == batch.slices.size(), "one is overtaken by others of its bucket");
  // Those that have gone may have been what made it full.
  const bool sure = popped.given_up.empty() && !popped.dropped;
  Require(!sure || policy_.kind == PolicyKind::kAimd || Due(first, Count::kAll),
          "launched before its window has ended");
}

void QueueChecker::Take(const FormedBatch& batch) {
  ++tally_.batches;
  for (const Slice& slice : batch.slices) {
    Entry& entry = *Find(slice.pending.get());
    entry.taken += slice.rows;
    tally_.split += entry.untaken() > 0;
    tally_.isolated += entry.alone;
  }
  std::erase_if(waiting_, [](const Entry& entry) { return entry.untaken() == 0; });
}

}  // namespace muster::batching
