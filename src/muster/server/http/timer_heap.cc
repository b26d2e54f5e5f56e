#include "muster/server/http/timer_heap.h"

#include <utility>

namespace muster::server::http {

TimerHeap::TimerId TimerHeap::Add(base::TimePoint when, Task task) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot].task = std::move(task);
  heap_.emplace_back();
  SiftUp(heap_.size() - 1, {when, next_order_++, slot});
  return (std::uint64_t{slots_[slot].generation} << 32) | slot;
}

void TimerHeap::Cancel(TimerId id) {
  const auto slot = static_cast<std::uint32_t>(id);
  if (slot >= slots_.size() || slots_[slot].generation != id >> 32) return;
  Remove(slots_[slot].position);
}

bool TimerHeap::PopDue(base::TimePoint now, Task& task) {
  if (heap_.empty() || heap_.front().when > now) return false;
  task = Remove(0);
  return true;
}

void TimerHeap::Place(std::size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<std::uint32_t>(position);
}

void TimerHeap::SiftUp(std::size_t position, const Entry& entry) {
  while (position > 0 && entry.Before(heap_[(position - 1) / 2])) {
    Place(position, heap_[(position - 1) / 2]);
    position = (position - 1) / 2;
  }
  Place(position, entry);
}

void TimerHeap::SiftDown(std::size_t position, const Entry& entry) {
  for (std::size_t child = 2 * position + 1; child < heap_.size(); child = 2 * position + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1].Before(heap_[child])) ++child;
    if (!heap_[child].Before(entry)) break;
    Place(position, heap_[child]);
    position = child;
  }
  Place(position, entry);
}

TimerHeap::Task TimerHeap::Remove(std::size_t position) {
  const std::uint32_t slot = heap_[position].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    const bool up = position > 0 && last.Before(heap_[(position - 1) / 2]);
    up ? SiftUp(position, last) : SiftDown(position, last);
  }
  ++slots_[slot].generation;
  free_.push_back(slot);
  return std::move(slots_[slot].task);
}

}  // namespace muster::server::http
