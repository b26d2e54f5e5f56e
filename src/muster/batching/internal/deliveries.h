#pragma once

#include <cstddef>

#include "muster/base/recycled.h"
#include "muster/batching/internal/pending.h"

namespace muster::batching {

/// Requests whose outcome is set, on their way to whoever asked. The one place where `done` is
/// posted; never used under the batcher's lock. Answers for one loop travel in one task.
class Deliveries {
 public:
  void Add(PendingPtr pending) { pending_.push_back(std::move(pending)); }
  bool empty() const { return pending_.empty(); }
  base::RecycledVector<PendingPtr>& pending() { return pending_; }
  void Take(Deliveries other);
  /// Posts all and is empty again.
  void Post() { PostElsewhere(nullptr); }
  /// Posts all but what belongs to the loop `here`; on its thread Run does the rest.
  void PostElsewhere(const base::Loop* here);
  /// Answers all that is left, now. After PostElsewhere, and needing no batcher any more.
  void Run();
  /// From within a request's own stop callback: the others' is destroyed before they are posted, so
  /// that none can come later and find no batcher; this one is running and will not come again.
  static void PostFromStopCallback(PendingPtr pending);

 private:
  base::RecycledVector<PendingPtr> pending_;
};

}  // namespace muster::batching
