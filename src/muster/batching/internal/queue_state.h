#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/bucket.h"
#include "muster/batching/internal/index_heap.h"
#include "muster/batching/internal/pending.h"
#include "muster/batching/internal/work_rate.h"

namespace muster::batching {

/// A batch that was taken and has not been reported as over.
struct UnderWay {
  std::uint64_t number;
  std::int64_t rows;
  base::TimePoint earliest_end, latest_end;  // as few runs end before and after
  std::shared_ptr<LatencyCurve> curve;
};

/// Requests that were let in and whose bodies are still being read.
class Announced {
 public:
  void Add(base::TimePoint now) { since_.push_back(now); }
  void Take() {
    if (!since_.empty()) since_.pop_front();
  }
  /// One that has not come by then has a slow client, or none any more.
  std::int64_t Count(base::TimePoint now) {
    constexpr std::chrono::milliseconds kLife{500};
    while (!since_.empty() && since_.front() + kLife <= now) since_.pop_front();
    return static_cast<std::int64_t>(since_.size());
  }

 private:
  std::deque<base::TimePoint> since_;  // no more than rows may wait
};

/// What is behind BatchQueue, in three files: batch_queue.cc (who waits, where, for how long),
/// queue_admission.cc (who may), queue_forming.cc (what runs next).
struct BatchQueue::Impl {
  Impl(const QueueOptions& o, std::unique_ptr<Policy> p) : options(o), policy(std::move(p)) {
    under_way.reserve(static_cast<std::size_t>(options.instances));
  }

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
  bool draining = false;
  base::TimePoint now = base::TimePoint::min();  // the latest that any call was told

  std::uint64_t next_batch = 1;
  std::vector<UnderWay> under_way;
  std::shared_ptr<LatencyCurve> last_curve;  // of the batch that ended last
  double work = 0;                           // nanoseconds of one instance for all that waits
  WorkRate offered;
  Announced announced;

  void Tell(base::TimePoint time) { now = std::max(now, time); }

  // Admission.
  base::Status Admit(const Pending& pending);
  base::Status Preview(base::TimePoint deadline);
  bool HasPlenty(base::Duration left, std::int64_t more, const Bucket& bucket) const;
  base::Error Draining() const;
  base::Error Full(std::int64_t more_rows, std::size_t more_bytes) const;
  base::Status InTime(Bucket& bucket, OrderKey key, std::int64_t more, base::TimePoint deadline,
                      std::int64_t coming = 0);
  base::Error Late(base::Duration left, base::Duration too_late) const;
  std::chrono::milliseconds TimeToDrain() const;
  base::Duration SoonestAnswer(Bucket& bucket, const OrderKey& key, std::int64_t more,
                               base::Duration left, std::int64_t coming);
  std::int64_t ComingRows(Bucket& bucket, base::Duration left);
  double WorkOfOthersAhead(const OrderKey& key, const Bucket& own) const;
  base::Duration UntilInstanceFree(base::TimePoint UnderWay::* end) const;
  std::string_view BucketClient(const std::string& client);

  // Leaving.
  PendingPtr Unlink(Pending& pending);
  void Expire();
  bool DropCancelledHead(Bucket& bucket);

  void AddWork(const Bucket& bucket, std::int64_t more);

  // Forming.
  Decision Decide(Bucket& bucket, std::int64_t waiting) const;
  std::int64_t UsualRows(Bucket& bucket) const;
  void Refile(Bucket& bucket);
  void WakeBuckets();
  void FitDeadline(Bucket& bucket, Decision& decision);
  bool KeepsUp(Bucket& bucket, std::int64_t size);
  std::int64_t RowsInTime(Bucket& bucket, std::int64_t size) const;
  void GiveUpLate(Bucket& bucket, std::int64_t size);
  void GiveUp(Pending& pending);
  OrderKey LateIn(Bucket& bucket, std::int64_t size) const;
  FormedBatch Take(Bucket& bucket, const Decision& decision);
  Slice TakeFrom(Pending& head, std::int64_t count);
  void Launch(FormedBatch& batch, Bucket& bucket);
};

// The share of the request's bytes that its untaken rows stand for; the shares taken one after
// another add up to exactly all of them.
inline std::size_t UntakenBytes(const Pending& pending) {
  const auto rows = static_cast<std::size_t>(pending.item.rows);
  return pending.bytes - pending.bytes * static_cast<std::size_t>(pending.taken) / rows;
}

}  // namespace muster::batching
