#include "muster/batching/internal/deliveries.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace muster::batching {
namespace {

// `done` goes when it has been called, on the loop it belongs to.
void Answer(PendingPtr pending) {
  auto done = std::move(pending->item.done);
  done(*std::move(pending->outcome));
}

/// Requests for one loop, linked. It is all that a task holds and fits into it: posting allocates
/// nothing.
class Chain {
 public:
  explicit Chain(PendingPtr first) : first_(std::move(first)) {}
  Chain(Chain&&) noexcept = default;
  // One after another, so that a long chain nobody ran does not end in a deep recursion.
  ~Chain() {
    while (first_ != nullptr) Next();
  }

  void operator()() {
    while (first_ != nullptr) Answer(Next());
  }

 private:
  PendingPtr Next() {
    PendingPtr next = std::move(first_->next_delivery);
    return std::exchange(first_, std::move(next));
  }
  PendingPtr first_;
};

void PostChain(base::Loop& home, PendingPtr first) { home.Post(Chain(std::move(first))); }

}  // namespace

void Deliveries::Take(Deliveries other) {
  std::ranges::move(other.pending_, std::back_inserter(pending_));
}

void Deliveries::PostElsewhere(const base::Loop* here) {
  for (const PendingPtr& pending : pending_) pending->on_cancel.reset();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i] == nullptr || pending_[i]->item.home == here) continue;
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
  std::erase(pending_, nullptr);
}

void Deliveries::Run() {
  for (PendingPtr& next : std::exchange(pending_, {})) Answer(std::move(next));
}

void Deliveries::PostFromStopCallback(PendingPtr pending) {
  base::Loop& home = *pending->item.home;
  PostChain(home, std::move(pending));
}

}  // namespace muster::batching
