#include "muster/batching/batch_queue.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "muster/batching/internal/bucket.h"
#include "muster/batching/internal/index_heap.h"
#include "muster/batching/internal/pending.h"

namespace muster::batching {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryWhenUnknown{100};
constexpr milliseconds kRetryAtMost{60'000};
constexpr milliseconds kRetryElsewhere{1'000};  // draining: another replica, or the next process

// The share of the request's bytes that its untaken rows stand for; the shares taken one after
// another add up to exactly all of them.
std::size_t UntakenBytes(const Pending& pending) {
  const auto rows = static_cast<std::size_t>(pending.item.rows);
  return pending.bytes - pending.bytes * static_cast<std::size_t>(pending.taken) / rows;
}

}  // namespace

struct BatchQueue::Impl {
  Impl(const QueueOptions& o, std::unique_ptr<Policy> p) : options(o), policy(std::move(p)) {}

  const QueueOptions options;
  const std::unique_ptr<Policy> policy;

  BucketTable buckets;
  // Buckets with rows: those the policy would launch, by their head; those it makes wait, by when
  // it wants to be asked again. One that waits is asked again only then or when it changes, so it
  // costs the others nothing.
  IndexHeap<Bucket, OrderKey, &Bucket::ready_place> ready;
  IndexHeap<Bucket, base::TimePoint, &Bucket::wake_place> sleeping;
  IndexHeap<Pending, base::TimePoint, &Pending::expiry_place> expiry;
  std::vector<PendingPtr> dead;
  std::unordered_map<std::string, base::TimePoint> isolated;  // client → until

  std::uint64_t next_sequence = 0;
  std::int64_t rows = 0;
  std::int64_t requests = 0;
  std::size_t bytes = 0;
  double row_nanos = 0;  // moving average over runs; 0: none yet
  bool draining = false;
  base::TimePoint now = base::TimePoint::min();  // the latest that any call was told

  void Tell(base::TimePoint time) { now = std::max(now, time); }
  base::Status Admit(const Pending& pending) const;
  base::Error Full(const Pending& pending) const;
  milliseconds TimeToDrain() const;
  std::string_view BucketClient(const std::string& client);
  PendingPtr Unlink(Pending& pending);
  void Expire();
  bool DropCancelledHead(Bucket& bucket);
  Decision Decide(const Bucket& bucket);
  void Refile(Bucket& bucket);
  void WakeBuckets();
  FormedBatch Take(Bucket& bucket, const Decision& decision);
  Slice TakeFrom(Pending& head, std::int64_t count);
};

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
  impl_->Refile(bucket);
  return {};
}

base::Status BatchQueue::Impl::Admit(const Pending& pending) const {
  const WorkItem& item = pending.item;
  if (item.cancelled.stop_requested()) return base::Cancelled("the client gave the request up");
  if (item.deadline <= now) {
    return base::DeadlineExceeded("the deadline had passed before the request was queued",
                                  "EXPIRED");
  }
  if (draining) {
    base::Error error = base::Unavailable("the model is being unloaded", "DRAINING");
    error.retry_after = kRetryElsewhere;
    return error;
  }
  const bool fits =
      item.rows <= options.max_rows - rows && pending.bytes + bytes <= options.max_bytes;
  if (!fits && requests > 0) return Full(pending);
  return {};
}

base::Error BatchQueue::Impl::Full(const Pending& pending) const {
  base::Error error = base::ResourceExhausted(
      "the model's queue is full: " + std::to_string(rows) + " rows (" + std::to_string(bytes) +
          " bytes) wait, the bound is " + std::to_string(options.max_rows) + " (" +
          std::to_string(options.max_bytes) + "), the request has " +
          std::to_string(pending.item.rows) + " (" + std::to_string(pending.bytes) + ")",
      "QUEUE_FULL");
  error.retry_after = TimeToDrain();
  return error;
}

// How long one instance would take for what waits: an upper bound where there are more.
milliseconds BatchQueue::Impl::TimeToDrain() const {
  if (row_nanos == 0) return kRetryWhenUnknown;
  const std::chrono::duration<double, std::nano> wait(row_nanos * static_cast<double>(rows));
  if (wait >= kRetryAtMost) return kRetryAtMost;
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(wait));
}

// The isolated client whose bucket this request goes to, or the shared bucket's "".
std::string_view BatchQueue::Impl::BucketClient(const std::string& client) {
  if (isolated.empty() || client.empty()) return {};
  const auto found = isolated.find(client);
  if (found == isolated.end()) return {};
  if (found->second > now) return client;
  isolated.erase(found);
  return {};
}

// --- Leaving

PendingPtr BatchQueue::Impl::Unlink(Pending& pending) {
  rows -= pending.untaken();
  bytes -= UntakenBytes(pending);
  --requests;
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

// --- Forming

Decision BatchQueue::Impl::Decide(const Bucket& bucket) {
  return policy->Decide({.now = now,
                         .waiting_rows = bucket.rows,
                         .head_rows = bucket.order.top()->untaken(),
                         .oldest_arrival = bucket.oldest->arrival,
                         .draining = draining});
}

// Puts a bucket that has changed where it belongs.
void BatchQueue::Impl::Refile(Bucket& bucket) {
  const bool empty = bucket.empty();
  const Decision decision = empty ? Decision{} : Decide(bucket);
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
      const Decision decision = impl_->Decide(bucket);
      if (decision.rows > 0) batch = impl_->Take(bucket, decision);
    }
    impl_->Refile(bucket);
    if (batch) return batch;
  }
  if (wake != nullptr) *wake = impl_->sleeping.empty() ? base::kNever : impl_->sleeping.top_key();
  return {};
}

FormedBatch BatchQueue::Impl::Take(Bucket& bucket, const Decision& decision) {
  FormedBatch batch;
  batch.formed = now;
  batch.reason = decision.reason;
  batch.slices.reserve(
      std::min<std::size_t>(bucket.order.size(), static_cast<std::size_t>(decision.rows)));
  while (batch.rows < decision.rows && !bucket.empty()) {
    if (DropCancelledHead(bucket)) continue;
    Pending& head = *bucket.order.top();
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
  rows -= count;
  bytes -= before - UntakenBytes(head);
  return {head.untaken() == 0 ? Unlink(head) : head.queued, first, count};
}

bool BatchQueue::HasReady(base::TimePoint now, base::TimePoint* wake) const {
  if (!impl_->ready.empty()) return true;
  const base::TimePoint next = impl_->sleeping.empty() ? base::kNever : impl_->sleeping.top_key();
  if (wake != nullptr) *wake = next;
  return next <= now;
}

// --- Events

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
    impl_->Refile(from);
    impl_->Refile(to);
  }
}

void BatchQueue::OnRun(std::int64_t rows, base::Duration duration) {
  constexpr double kWeight = 1.0 / 8;
  const double nanos = static_cast<double>(duration.count()) / static_cast<double>(rows);
  impl_->row_nanos += (nanos - impl_->row_nanos) * (impl_->row_nanos == 0 ? 1 : kWeight);
  impl_->policy->OnRun(rows, duration);
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

}  // namespace muster::batching
