#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "muster/base/cancellation.h"
#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/index_heap.h"
#include "muster/batching/internal/progress.h"
#include "muster/batching/work.h"

namespace muster::batching {

struct Bucket;

/// Who is told, on the cancelling thread, that a request's token was stopped.
class CancelListener {
 public:
  virtual void OnCancelled(Pending& pending) noexcept = 0;

 protected:
  ~CancelListener() = default;
};

/// What the stop callback runs. `pending` outlives it, because it owns the callback, whose
/// destructor waits for it.
struct NotifyCancelled {
  CancelListener* listener;
  Pending* pending;
  void operator()() const noexcept { listener->OnCancelled(*pending); }
};

/// See batch_queue.h. `item`'s inputs never change after construction and may be read by a run
/// without the lock; everything else is guarded by the batcher's mutex until the request is
/// answered, and then belongs to whoever delivers the answer.
struct Pending : std::enable_shared_from_this<Pending> {
  explicit Pending(WorkItem work);
  std::int64_t untaken() const { return item.rows - taken; }

  WorkItem item;
  const std::size_t bytes;  // of all inputs, strings included

  // The queue's.
  base::TimePoint arrival;
  std::uint64_t sequence = 0;
  std::int64_t taken = 0;  // rows [0, taken) are in some run or have been
  bool given_up = false;   // its deadline could not be met any more
  Bucket* bucket = nullptr;
  std::size_t order_place = kNoPlace;
  std::size_t expiry_place = kNoPlace;
  Pending* older = nullptr;  // in the bucket, by arrival
  Pending* newer = nullptr;
  std::uint64_t kind = 0;  // its bucket's hash: rows that cost alike
  PendingPtr queued;       // itself while it has rows in the queue: the queue's ownership

  // The batcher's.
  enum class State : std::uint8_t {
    kNew,        // not yet pushed
    kCancelled,  // before it was pushed
    kAccepted,
    kAnswered,  // its outcome has been decided; nothing else may be
  };
  State state = State::kNew;
  Progress progress;

  // The deliverer's.
  std::optional<base::Result<WorkResult>> outcome;
  PendingPtr next_delivery;
  std::optional<base::CancelCallback<NotifyCancelled>> on_cancel;
};

}  // namespace muster::batching
