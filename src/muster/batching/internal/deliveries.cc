#include "muster/batching/internal/deliveries.h"

#include <utility>

namespace muster::batching {
namespace {

// The chain is the task's only state and fits into it: nothing is allocated.
void PostChain(base::Loop& home, PendingPtr first) {
  home.Post([next = std::move(first)]() mutable {
    while (next != nullptr) {
      const PendingPtr pending = std::exchange(next, std::move(next->next_delivery));
      // `done` goes with this iteration, on the loop it belongs to.
      auto done = std::move(pending->item.done);
      done(*std::move(pending->outcome));
    }
  });
}

}  // namespace

void Deliveries::Post() {
  for (const PendingPtr& pending : pending_) pending->on_cancel.reset();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i] == nullptr) continue;
    base::Loop& home = *pending_[i]->item.home;
    PendingPtr first = std::move(pending_[i]);
    Pending* last = first.get();
    for (std::size_t j = i + 1; j < pending_.size(); ++j) {
      if (pending_[j] == nullptr || pending_[j]->item.home != &home) continue;
      last->next_delivery = std::move(pending_[j]);
      last = last->next_delivery.get();
    }
    PostChain(home, std::move(first));
  }
  pending_.clear();
}

void Deliveries::PostFromStopCallback(PendingPtr pending) {
  base::Loop& home = *pending->item.home;
  PostChain(home, std::move(pending));
}

}  // namespace muster::batching
