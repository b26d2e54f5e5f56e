#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/recycled.h"
#include "muster/base/result.h"
#include "muster/batching/policy.h"
#include "muster/batching/work.h"

namespace muster::batching {

/// A request on its way through the batcher: the item, which rows have been taken, and what has
/// come back. Shared by the queue and by every run that holds rows of it (a request may be split
/// over several instances at once); guarded by the batcher's mutex.
struct Pending;
using PendingPtr = std::shared_ptr<Pending>;

/// Consecutive rows of one request in a batch.
struct Slice {
  PendingPtr pending;
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
};

/// Rows that will go into one run together; all of one shape signature.
struct FormedBatch {
  base::RecycledVector<Slice> slices;
  std::uint64_t number = 0;  ///< for EndRun
  std::int64_t rows = 0;
  base::TimePoint formed;
  LaunchReason reason = LaunchReason::kInstanceFree;
  explicit operator bool() const { return rows > 0; }
};

struct QueueOptions {
  std::int64_t max_rows = 256;                    ///< bound of waiting rows
  std::size_t max_bytes = 256u << 20;             ///< bound of their input bytes
  std::chrono::milliseconds isolate_for{10'000};  ///< how long a client that was bad runs alone
  int instances = 1;                              ///< that take batches
  std::int64_t max_run_rows = 1 << 20;            ///< rows of the largest run
  bool refuse_late = true;  ///< refuse at Push what is expected to miss its deadline
  bool drop_late = true;    ///< give up what would make a batch late for nothing
};

/// A point of the learned curve: runs of about `rows` rows.
struct CurvePoint {
  double rows = 0;
  base::Duration typical{0};  ///< median
  base::Duration upper{0};    ///< few take longer
  std::uint64_t runs = 0;     ///< seen
};

/// The waiting requests of one model version and the choice of the next batch: pure state, driven
/// by `now`, without threads; O(log n) for every request pushed, taken or removed. Rules
/// (docs/batching.md):
/// – bounded in rows and bytes; a request larger than the whole bound is accepted when the queue is
///   empty, and taken in pieces;
/// – order: higher priority first, then earliest explicit deadline, then arrival;
/// – rows of equal shape signature share a bucket; the ready bucket whose head is next launches
///   first and none blocks another;
/// – expired and cancelled requests are never taken; an expired one no longer counts as waiting
///   once any call was told a time at or after its deadline;
/// – it learns how long runs take, refuses what is expected to miss its deadline, keeps a batch
///   small enough for its first row's, and under overload gives up rows that would be late anyway;
/// – counters never drift: waiting_rows() is always the sum of untaken rows of what is queued.
class BatchQueue {
 public:
  BatchQueue(QueueOptions options, std::unique_ptr<Policy> policy);
  ~BatchQueue();

  /// Accepts a request or says why not: RESOURCE_EXHAUSTED "QUEUE_FULL" (with retry_after),
  /// DEADLINE_EXCEEDED "EXPIRED" (already past its deadline), UNAVAILABLE "OVERLOADED" (it would
  /// miss its deadline; retry_after is when it would not), CANCELLED, UNAVAILABLE "DRAINING". Never
  /// OVERLOADED while nothing waits and an instance is free. On error the pending is untouched.
  /// `now` is its arrival.
  base::Status Push(const PendingPtr& pending, base::TimePoint now);

  /// What Push would say of one row like those that came last, due at `deadline`: asked before a
  /// large body is read. What is accepted counts here as waiting until it is pushed (`announced`),
  /// but not longer than a body may take: else all that come while bodies are being read would be
  /// let in, read and then refused. A refusal counts as offered work.
  base::Status WouldAccept(base::TimePoint deadline, base::TimePoint now);

  /// The batch to run now on a free instance, or none: then look again at `wake`, or after a Push.
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake);

  /// Whether PopReady would return a batch now, provided that nothing waiting is expired or
  /// cancelled; changes nothing.
  bool HasReady(base::TimePoint now, base::TimePoint* wake) const;

  /// Removes and returns what has expired, what was given up as too late, and what was found
  /// cancelled when its turn came. Rows of it that are running finish; it will not be taken again.
  std::vector<PendingPtr> RemoveDead(base::TimePoint now);
  /// Removes one request's untaken rows; false if it has none in the queue.
  bool Remove(const PendingPtr& pending);

  /// When RemoveDead next has something to return: the earliest deadline of any waiting request, or
  /// at once if some are already known dead; kNever where there is nothing.
  base::TimePoint NextDeadline() const;

  /// From now on nothing is accepted, and what waits is ready without delay.
  void Drain();
  /// `client`'s rows run without other clients' until `now` + isolate_for: they broke a run. The
  /// unnamed ("") have nothing in common and are never isolated.
  void IsolateClient(const std::string& client, base::TimePoint now);
  /// The run of a batch that PopReady gave is over; each must be reported once. `took`: from
  /// forming to the end; none if it failed, which teaches nothing.
  void EndRun(std::uint64_t batch, std::optional<base::Duration> took, base::TimePoint now);

  std::int64_t waiting_rows() const;
  std::int64_t waiting_requests() const;
  std::size_t waiting_bytes() const;
  /// Arrival of the oldest waiting request; kNever when empty.
  base::TimePoint OldestArrival() const;
  /// l(n) and the knee as learned for the shape signature that ran last; empty and 0 before.
  std::vector<CurvePoint> Curve(base::TimePoint now) const;
  std::int64_t EfficientRows(base::TimePoint now) const;
  /// Work offered per unit of the instances' time of late: 1 is all they can do.
  double OfferedLoad(base::TimePoint now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::batching
