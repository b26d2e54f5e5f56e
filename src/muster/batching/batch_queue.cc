#include "muster/batching/batch_queue.h"

#include <algorithm>
#include <utility>

#include "muster/batching/internal/queue_state.h"

namespace muster::batching {

BatchQueue::BatchQueue(QueueOptions options, std::unique_ptr<Policy> policy)
    : impl_(new Impl(options, std::move(policy))) {}

// What is still queued owns itself (Pending::queued): let go.
BatchQueue::~BatchQueue() {
  impl_->buckets.ForEach([](Bucket& bucket) {
    for (Pending* pending = bucket.oldest; pending != nullptr;) {
      Pending* const newer = pending->newer;
      pending->queued.reset();
      pending = newer;
    }
  });
}

// --- Admission

base::Status BatchQueue::Push(const PendingPtr& pending, base::TimePoint now) {
  MUSTER_CHECK(pending->item.rows >= 1 && pending->queued == nullptr, "pushed twice or no rows");
  impl_->Tell(now);
  impl_->Expire();
  if (pending->item.announced) impl_->announced.Take();
  MUSTER_RETURN_IF_ERROR(impl_->Admit(*pending));
  pending->arrival = impl_->now;
  pending->sequence = impl_->next_sequence++;
  pending->queued = pending;
  impl_->rows += pending->item.rows;
  impl_->bytes += pending->bytes;
  ++impl_->requests;
  const WorkItem& item = pending->item;
  if (item.deadline != base::kNever) impl_->expiry.Push(*pending, item.deadline);
  Bucket& bucket = impl_->buckets.FindOrAdd(item.inputs, impl_->BucketClient(item.client));
  bucket.Append(*pending);
  impl_->AddWork(bucket, item.rows);
  impl_->Refile(bucket);
  return {};
}

base::Status BatchQueue::WouldAccept(base::TimePoint deadline, base::TimePoint now) {
  impl_->Tell(now);
  impl_->Expire();
  return impl_->Preview(deadline);
}

void BatchQueue::Impl::AddWork(const Bucket& bucket, std::int64_t more) {
  work = requests == 0 ? 0 : work + bucket.row_nanos * static_cast<double>(more);
}

// --- Leaving

PendingPtr BatchQueue::Impl::Unlink(Pending& pending) {
  rows -= pending.untaken();
  bytes -= UntakenBytes(pending);
  --requests;
  AddWork(*pending.bucket, -pending.untaken());
  pending.bucket->Unlink(pending);
  if (expiry.Contains(pending)) expiry.Remove(pending);
  return std::move(pending.queued);
}

void BatchQueue::Impl::Expire() {
  while (!expiry.empty() && expiry.top_key() <= now) {
    Pending& pending = *expiry.top();
    Bucket& bucket = *pending.bucket;
    dead.push_back(Unlink(pending));
    Refile(bucket);
  }
}

// The batcher removes a cancelled request when it hears of it, which may be a moment later.
bool BatchQueue::Impl::DropCancelledHead(Bucket& bucket) {
  Pending& head = *bucket.order.top();
  if (!head.item.cancelled.stop_requested()) return false;
  dead.push_back(Unlink(head));
  return true;
}

std::vector<PendingPtr> BatchQueue::RemoveDead(base::TimePoint now) {
  impl_->Tell(now);
  impl_->Expire();
  return std::exchange(impl_->dead, {});
}

bool BatchQueue::Remove(const PendingPtr& pending) {
  if (pending->queued == nullptr) return false;
  Bucket& bucket = *pending->bucket;
  impl_->Unlink(*pending);
  impl_->Refile(bucket);
  return true;
}

base::TimePoint BatchQueue::NextDeadline() const {
  if (!impl_->dead.empty()) return base::TimePoint::min();
  return impl_->expiry.empty() ? base::kNever : impl_->expiry.top_key();
}

// --- Events

bool BatchQueue::HasReady(base::TimePoint now, base::TimePoint* wake) const {
  if (!impl_->ready.empty()) return true;
  const base::TimePoint next = impl_->sleeping.empty() ? base::kNever : impl_->sleeping.top_key();
  if (wake != nullptr) *wake = next;
  return next <= now;
}

void BatchQueue::Drain() {
  impl_->draining = true;
  while (!impl_->sleeping.empty()) impl_->Refile(*impl_->sleeping.top());
}

void BatchQueue::IsolateClient(const std::string& client, base::TimePoint now) {
  if (client.empty()) return;
  std::erase_if(impl_->isolated, [now](const auto& entry) { return entry.second <= now; });
  const auto [entry, added] = impl_->isolated.try_emplace(client);
  entry->second = now + impl_->options.isolate_for;
  if (!added) return;
  // Its rows that wait already leave the shared buckets, too.
  std::vector<Pending*> moving;
  impl_->buckets.ForEach([&](Bucket& bucket) {
    if (!bucket.client.empty()) return;
    for (Pending* pending = bucket.oldest; pending != nullptr; pending = pending->newer) {
      if (pending->item.client == client) moving.push_back(pending);
    }
  });
  for (Pending* pending : moving) {
    Bucket& from = *pending->bucket;
    from.Unlink(*pending);
    Bucket& to = impl_->buckets.FindOrAdd(pending->item.inputs, client);
    to.Append(*pending);
    // Later they leave with what its rows cost.
    impl_->AddWork(from, -pending->untaken());
    impl_->AddWork(to, pending->untaken());
    impl_->Refile(from);
    impl_->Refile(to);
  }
}

void BatchQueue::EndRun(std::uint64_t batch, std::optional<base::Duration> took,
                        base::TimePoint now) {
  impl_->Tell(now);
  const auto run = std::find_if(impl_->under_way.begin(), impl_->under_way.end(),
                                [&](const UnderWay& other) { return other.number == batch; });
  MUSTER_CHECK(run != impl_->under_way.end(), "a run that did not begin here has ended");
  if (took) {
    run->curve->Add(run->rows, *took, impl_->now);
    impl_->policy->OnRun(run->rows, *took);
    impl_->last_curve = run->curve;
  }
  *run = std::move(impl_->under_way.back());
  impl_->under_way.pop_back();
}

std::int64_t BatchQueue::waiting_rows() const { return impl_->rows; }
std::int64_t BatchQueue::waiting_requests() const { return impl_->requests; }
std::size_t BatchQueue::waiting_bytes() const { return impl_->bytes; }

base::TimePoint BatchQueue::OldestArrival() const {
  base::TimePoint oldest = base::kNever;
  impl_->buckets.ForEach([&](const Bucket& bucket) {
    if (!bucket.empty()) oldest = std::min(oldest, bucket.oldest->arrival);
  });
  return oldest;
}

std::vector<CurvePoint> BatchQueue::Curve(base::TimePoint now) const {
  return impl_->last_curve ? impl_->last_curve->Points(now) : std::vector<CurvePoint>();
}

std::int64_t BatchQueue::EfficientRows(base::TimePoint now) const {
  return impl_->last_curve ? impl_->last_curve->EfficientRows(impl_->options.max_run_rows, now) : 0;
}

double BatchQueue::OfferedLoad(base::TimePoint now) const {
  return impl_->offered.At(now) / impl_->options.instances;
}

}  // namespace muster::batching