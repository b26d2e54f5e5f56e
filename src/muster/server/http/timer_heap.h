#pragma once

#include <cstdint>
#include <vector>

#include "muster/base/loop.h"

namespace muster::server::http {

/// Timers ordered by time, then by when they were added; O(log n) to add, fire and cancel, and
/// cancelled ones are gone at once (deadlines of 30 s at 100,000 requests a second are mostly
/// cancelled). Slots are reused: no allocation once warm. Not thread-safe.
class TimerHeap {
 public:
  using Task = base::Loop::Task;
  using TimerId = base::Loop::TimerId;

  TimerId Add(base::TimePoint when, Task task);
  void Cancel(TimerId id);
  bool empty() const { return heap_.empty(); }
  /// The earliest time; kNever when empty.
  base::TimePoint next() const { return heap_.empty() ? base::kNever : heap_.front().when; }
  /// Takes the earliest timer that is due at `now`; false if there is none.
  bool PopDue(base::TimePoint now, Task& task);

 private:
  struct Entry {
    base::TimePoint when;
    std::uint64_t order;
    std::uint32_t slot;
    bool Before(const Entry& other) const {
      return when != other.when ? when < other.when : order < other.order;
    }
  };
  struct Slot {
    Task task;
    std::uint32_t generation = 1;  // so that ids are never 0 and old ones are unknown
    std::uint32_t position = 0;    // in the heap
  };
  void Place(std::size_t position, const Entry& entry);
  void SiftUp(std::size_t position, const Entry& entry);
  void SiftDown(std::size_t position, const Entry& entry);
  Task Remove(std::size_t position);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
};

}  // namespace muster::server::http
