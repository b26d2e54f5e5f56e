#include <algorithm>
#include <cmath>
#include <string>

#include "muster/batching/internal/queue_state.h"

namespace muster::batching {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryWhenUnknown{100};
constexpr milliseconds kRetryAtMost{60'000};
constexpr double kLongestWait = 1e18;           // nanoseconds: a sum with it is still a time
constexpr milliseconds kRetryElsewhere{1'000};  // draining: another replica, or the next process

milliseconds RetryAfter(std::chrono::duration<double, std::nano> wait) {
  if (wait >= kRetryAtMost) return kRetryAtMost;
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(wait));
}

}  // namespace

base::Status BatchQueue::Impl::Admit(const Pending& pending) {
  const WorkItem& item = pending.item;
  if (item.cancelled.stop_requested()) return base::Cancelled("the client gave the request up");
  if (item.deadline <= now) {
    return base::DeadlineExceeded("the deadline had passed before the request was queued",
                                  "EXPIRED");
  }
  if (draining) return Draining();
  Bucket* const bucket = buckets.Find(item.inputs, BucketClient(item.client));
  if (bucket != nullptr) offered.Add(bucket->row_nanos * static_cast<double>(item.rows), now);
  const bool fits =
      item.rows <= options.max_rows - rows && pending.bytes + bytes <= options.max_bytes;
  if (!fits && requests > 0) return Full(item.rows, pending.bytes);
  if (bucket == nullptr) return {};
  return InTime(*bucket, OrderOf(pending), item.rows, item.deadline);
}

base::Status BatchQueue::Impl::Preview(base::TimePoint deadline) {
  if (draining) return Draining();
  Bucket* const bucket = buckets.last_used();
  const std::int64_t coming = announced.Count(now);
  base::Status accepted;
  if (rows + coming >= options.max_rows) {
    accepted = Full(1, 0);
  } else if (bucket != nullptr) {
    accepted = InTime(*bucket, {0, deadline, 0}, 1, deadline, coming);
  }
  if (accepted) {
    announced.Add(now);
  } else if (bucket != nullptr) {
    offered.Add(bucket->row_nanos, now);
  }
  return accepted;
}

base::Error BatchQueue::Impl::Draining() const {
  base::Error error = base::Unavailable("the model is being unloaded", "DRAINING");
  error.retry_after = kRetryElsewhere;
  return error;
}

base::Status BatchQueue::Impl::InTime(Bucket& bucket, OrderKey key, std::int64_t more,
                                      base::TimePoint deadline, std::int64_t coming) {
  if (!options.refuse_late || deadline == base::kNever) return {};
  const base::Duration left = deadline - now;
  if (HasPlenty(left, more + coming, bucket)) return {};
  key.sequence = next_sequence;
  const base::Duration expected = SoonestAnswer(bucket, key, more, left, coming);
  if (expected > left) return Late(left, expected - left);
  return {};
}

// Twice as long as all that waits and a full run for each instance would take on one instance: most
// requests have so much time, and the closer look costs more than their place in a batch.
bool BatchQueue::Impl::HasPlenty(base::Duration left, std::int64_t more,
                                 const Bucket& bucket) const {
  const std::int64_t runs = options.max_run_rows * (options.instances + 1);
  const double ahead = work + bucket.row_nanos * static_cast<double>(more + runs);
  return static_cast<double>(left.count()) > 2 * ahead;
}

base::Error BatchQueue::Impl::Full(std::int64_t more_rows, std::size_t more_bytes) const {
  base::Error error = base::ResourceExhausted(
      "the model's queue is full: " + std::to_string(rows) + " rows (" + std::to_string(bytes) +
          " bytes) wait, the bound is " + std::to_string(options.max_rows) + " (" +
          std::to_string(options.max_bytes) + "), the request has " + std::to_string(more_rows) +
          " (" + std::to_string(more_bytes) + ")",
      "QUEUE_FULL");
  error.retry_after = TimeToDrain();
  return error;
}

// Retried after `too_late`, with as much time as it had now, it would be answered in time if
// nothing else came.
base::Error BatchQueue::Impl::Late(base::Duration left, base::Duration too_late) const {
  const double millis = std::ceil(std::chrono::duration<double, std::milli>(left).count());
  base::Error error = base::Unavailable(
      "overloaded: " + std::to_string(rows) + " rows wait, and the answer is not expected within " +
          std::to_string(static_cast<std::int64_t>(millis)) + " ms",
      "OVERLOADED");
  error.retry_after = RetryAfter(too_late);
  return error;
}

milliseconds BatchQueue::Impl::TimeToDrain() const {
  return work <= 0 ? kRetryWhenUnknown
                   : RetryAfter(std::chrono::duration<double, std::nano>(work) / options.instances);
}

// How soon the request may be answered: when an instance is free, what is before it has been run in
// batches of the size to come, and its own run is done. It is the hopeful end of what may be: what
// is refused has no chance, what is not may still be given up when its batch is formed. So rows
// before it count only if they will not be given up themselves, even if things take longer.
// Nothing where it would not have to wait: only a run can tell whether what was learned holds.
base::Duration BatchQueue::Impl::SoonestAnswer(Bucket& bucket, const OrderKey& key,
                                               std::int64_t more, base::Duration left,
                                               std::int64_t coming) {
  LatencyCurve& curve = *bucket.curve;
  const bool free = under_way.size() < static_cast<std::size_t>(options.instances);
  if (!curve.known() || (free && requests + coming == 0)) return {};
  std::int64_t before = bucket.RowsBefore(key) + coming;
  // Where the instances keep up, a batch is made to fit its first row.
  const std::int64_t size = offered.At(now) < options.instances
                                ? std::min(before + more, UsualRows(bucket))
                                : ComingRows(bucket, left);
  if (options.drop_late) {
    const base::Duration late = UntilInstanceFree(&UnderWay::latest_end) + curve.Upper(size, now);
    before -= bucket.RowsBefore({key.negated_priority, now + late, 0});
  }
  const std::int64_t batches = std::max<std::int64_t>(before + more - 1, 0) / UsualRows(bucket);
  const double queued =
      WorkOfOthersAhead(key, bucket) +
      static_cast<double>(batches) * static_cast<double>(curve.Typical(size, now).count());
  return UntilInstanceFree(&UnderWay::earliest_end) +
         base::Duration(
             static_cast<std::int64_t>(std::min(queued / options.instances, kLongestWait))) +
         curve.Lower(size, now);
}

// Rows of the runs to come if requests go on arriving as they do, each with `left` time: the most
// that arrive in the time that a run of so many leaves them.
std::int64_t BatchQueue::Impl::ComingRows(Bucket& bucket, base::Duration left) {
  const double rate = offered.At(now) / std::max(bucket.row_nanos, 1.0);  // rows per nanosecond
  std::int64_t some = 1, too_many = UsualRows(bucket) + 1;
  while (too_many - some > 1) {
    const std::int64_t middle = some + (too_many - some) / 2;
    const base::Duration rest = left - bucket.curve->Typical(middle, now);
    const bool arrive = rate * static_cast<double>(rest.count()) >= static_cast<double>(middle);
    (arrive ? some : too_many) = middle;
  }
  return some;
}

// Of the buckets whose turn is before this request's.
double BatchQueue::Impl::WorkOfOthersAhead(const OrderKey& key, const Bucket& own) const {
  double ahead = 0;
  ready.EachBefore(key, [&](const Bucket& bucket) {
    if (&bucket != &own) ahead += bucket.row_nanos * static_cast<double>(bucket.rows);
  });
  return ahead;
}

base::Duration BatchQueue::Impl::UntilInstanceFree(base::TimePoint UnderWay::* end) const {
  if (under_way.size() < static_cast<std::size_t>(options.instances)) return {};
  base::TimePoint first = base::kNever;
  for (const UnderWay& run : under_way) first = std::min(first, run.*end);
  return std::max(base::Duration(0), first - now);
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

}  // namespace muster::batching
