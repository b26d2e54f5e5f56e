#include <algorithm>
#include <utility>

#include "muster/batching/internal/queue_state.h"

namespace muster::batching {

Decision BatchQueue::Impl::Decide(Bucket& bucket, std::int64_t waiting) const {
  LatencyCurve& curve = *bucket.curve;
  return policy->Decide({.now = now,
                         .waiting_rows = waiting,
                         .head_rows = bucket.empty() ? waiting : bucket.order.top()->untaken(),
                         .efficient_rows = curve.known()
                                               ? curve.EfficientRows(options.max_run_rows, now)
                                               : options.max_run_rows,
                         .oldest_arrival = bucket.empty() ? now : bucket.oldest->arrival,
                         .draining = draining});
}

// Rows of a run while enough are waiting.
std::int64_t BatchQueue::Impl::UsualRows(Bucket& bucket) const {
  return std::max<std::int64_t>(Decide(bucket, options.max_run_rows).rows, 1);
}

// Puts a bucket that has changed where it belongs.
void BatchQueue::Impl::Refile(Bucket& bucket) {
  const bool empty = bucket.empty();
  const Decision decision = empty ? Decision{} : Decide(bucket, bucket.rows);
  if (decision.rows > 0) {
    ready.Update(bucket, bucket.order.top_key());
    if (sleeping.Contains(bucket)) sleeping.Remove(bucket);
    return;
  }
  if (ready.Contains(bucket)) ready.Remove(bucket);
  if (!empty) return sleeping.Update(bucket, decision.wake);
  if (sleeping.Contains(bucket)) sleeping.Remove(bucket);
  buckets.OnEmpty(bucket);
}

void BatchQueue::Impl::WakeBuckets() {
  while (!sleeping.empty() && sleeping.top_key() <= now) {
    Bucket& bucket = *sleeping.top();
    Refile(bucket);
    MUSTER_CHECK(sleeping.empty() || sleeping.top() != &bucket || sleeping.top_key() > now,
                 "a policy waits until a time that has passed");
  }
}

FormedBatch BatchQueue::PopReady(base::TimePoint now, base::TimePoint* wake) {
  impl_->Tell(now);
  impl_->Expire();
  impl_->WakeBuckets();
  while (!impl_->ready.empty()) {
    Bucket& bucket = *impl_->ready.top();
    FormedBatch batch;
    // Without a cancelled head another bucket may be next.
    if (!impl_->DropCancelledHead(bucket)) {
      Decision decision = impl_->Decide(bucket, bucket.rows);
      impl_->FitDeadline(bucket, decision);
      if (decision.rows > 0) batch = impl_->Take(bucket, decision);
    }
    if (batch) impl_->Launch(batch, bucket);
    impl_->Refile(bucket);
    if (batch) return batch;
  }
  if (wake != nullptr) *wake = impl_->sleeping.empty() ? base::kNever : impl_->sleeping.top_key();
  return {};
}

// The decision is the policy's, who knows nothing of deadlines: here it is held against that of the
// head, the most urgent of the batch. Where the instances keep up, the batch is made small enough
// for the head; where they do not, that would shrink one batch after another until none is worth
// its fixed cost, so what would be late is given up instead.
void BatchQueue::Impl::FitDeadline(Bucket& bucket, Decision& decision) {
  if (!options.drop_late || bucket.deadlines == 0 || !bucket.curve->known()) return;
  const base::TimePoint deadline = ExplicitDeadline(*bucket.order.top());
  if (deadline == base::kNever) return;
  const std::int64_t size = decision.rows;
  const std::int64_t for_head = bucket.curve->RowsWithin(deadline - now, size, now);
  if (for_head == size) return;
  std::int64_t rows = for_head;
  if (!KeepsUp(bucket, for_head)) rows = RowsInTime(bucket, size);
  if (rows > for_head) GiveUpLate(bucket, rows);
  // If even alone all would be late, one runs all the same: only a run can tell whether that is
  // still true.
  decision.rows = std::max<std::int64_t>(std::max(rows, for_head), 1);
  decision.reason = LaunchReason::kDeadline;
}

// Whether the instances could do what has been arriving in runs of `size` rows. Until rows have a
// price nobody knows, and a single run is no reason to give anything up.
bool BatchQueue::Impl::KeepsUp(Bucket& bucket, std::int64_t size) {
  if (size == 0) return false;
  if (bucket.row_nanos <= 0) return true;
  const double row_nanos =
      static_cast<double>(bucket.curve->Typical(size, now).count()) / static_cast<double>(size);
  return offered.At(now) * row_nanos < options.instances * bucket.row_nanos;
}

// The most rows, at most `size`, that a run can have and answer in time, if those are given up that
// it would make late.
std::int64_t BatchQueue::Impl::RowsInTime(Bucket& bucket, std::int64_t size) const {
  std::int64_t some = 0, too_many = size + 1;
  while (too_many - some > 1) {
    const std::int64_t middle = some + (too_many - some) / 2;
    const std::int64_t in_time = bucket.rows - bucket.RowsBefore(LateIn(bucket, middle));
    (in_time >= middle ? some : too_many) = middle;
  }
  return some;
}

// Of the head's class, those before this are late if a run of `size` rows starts now.
OrderKey BatchQueue::Impl::LateIn(Bucket& bucket, std::int64_t size) const {
  return {bucket.order.top_key().negated_priority, now + bucket.curve->Upper(size, now), 0};
}

void BatchQueue::Impl::GiveUpLate(Bucket& bucket, std::int64_t size) {
  const OrderKey limit = LateIn(bucket, size);
  while (bucket.order.top_key() < limit) GiveUp(*bucket.order.top());
}

void BatchQueue::Impl::GiveUp(Pending& pending) {
  pending.given_up = true;
  dead.push_back(Unlink(pending));
}

// Registers the batch as under way, and what its rows cost as of now.
void BatchQueue::Impl::Launch(FormedBatch& batch, Bucket& bucket) {
  batch.number = next_batch++;
  LatencyCurve& curve = *bucket.curve;
  base::Duration lower{0}, upper{0};
  if (curve.known()) {
    lower = curve.Lower(batch.rows, now);
    upper = curve.Upper(batch.rows, now);
    const std::int64_t usual = UsualRows(bucket);
    const double before = bucket.row_nanos;
    bucket.row_nanos =
        static_cast<double>(curve.Typical(usual, now).count()) / static_cast<double>(usual);
    work += (bucket.row_nanos - before) * static_cast<double>(bucket.rows);
  }
  under_way.push_back({batch.number, batch.rows, now + lower, now + upper, bucket.curve});
}

FormedBatch BatchQueue::Impl::Take(Bucket& bucket, const Decision& decision) {
  FormedBatch batch;
  batch.formed = now;
  batch.reason = decision.reason;
  batch.slices.reserve(
      std::min<std::size_t>(bucket.order.size(), static_cast<std::size_t>(decision.rows)));
  const bool fit = options.drop_late && bucket.deadlines > 0 && bucket.curve->known();
  const base::TimePoint end =
      fit ? now + bucket.curve->Typical(decision.rows, now) : base::TimePoint::min();
  while (batch.rows < decision.rows && !bucket.empty()) {
    if (DropCancelledHead(bucket)) continue;
    Pending& head = *bucket.order.top();
    // The head may be another than the policy saw, and shorter: what was late has been given up. A
    // lower class begins with its most urgent row, which this run may make late.
    if (batch.rows > 0 && decision.one_request) break;
    if (batch.rows > 0 && ExplicitDeadline(head) < end) {
      const WorkItem& first = batch.slices.front().pending->item;
      if (head.item.priority == first.priority || KeepsUp(bucket, decision.rows)) break;
      GiveUp(head);  // else one that has almost expired keeps all behind it waiting
      continue;
    }
    batch.slices.push_back(TakeFrom(head, std::min(head.untaken(), decision.rows - batch.rows)));
    batch.rows += batch.slices.back().rows;
  }
  return batch;
}

Slice BatchQueue::Impl::TakeFrom(Pending& head, std::int64_t count) {
  const std::int64_t first = head.taken;
  const std::size_t before = UntakenBytes(head);
  head.taken += count;
  head.bucket->rows -= count;
  AddWork(*head.bucket, -count);
  rows -= count;
  bytes -= before - UntakenBytes(head);
  return {head.untaken() == 0 ? Unlink(head) : head.queued, first, count};
}

}  // namespace muster::batching
