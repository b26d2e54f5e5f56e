#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "muster/server/http/internal/asio.h"

namespace muster::server::http {

/// Memory for one pending operation of Asio, which otherwise would be allocated each time; for
/// another one while it is pending there is the heap. Outlives the operation.
class OperationSlot {
 public:
  void* Take(std::size_t bytes) {
    if (used_ || bytes > sizeof(memory_)) return ::operator new(bytes);
    used_ = true;
    return memory_;
  }
  void GiveBack(void* p) {
    if (p != memory_) return ::operator delete(p);
    used_ = false;
  }

 private:
  alignas(std::max_align_t) std::byte memory_[256];
  bool used_ = false;
};

template <class T>
struct SlotAllocator {
  using value_type = T;
  explicit SlotAllocator(OperationSlot& s) : slot(&s) {}
  template <class U>
  SlotAllocator(const SlotAllocator<U>& other) : slot(other.slot) {}  // NOLINT
  T* allocate(std::size_t n) { return static_cast<T*>(slot->Take(n * sizeof(T))); }
  void deallocate(T* p, std::size_t) { slot->GiveBack(p); }
  bool operator==(const SlotAllocator&) const = default;
  OperationSlot* slot;
};

template <>
struct SlotAllocator<void> {
  using value_type = void;
  explicit SlotAllocator(OperationSlot& s) : slot(&s) {}
  template <class U>
  SlotAllocator(const SlotAllocator<U>& other) : slot(other.slot) {}  // NOLINT
  bool operator==(const SlotAllocator&) const = default;
  OperationSlot* slot;
};

/// `handler`, its operation kept in `slot`.
template <class Handler>
auto BindTo(OperationSlot& slot, Handler handler) {
  return boost::asio::bind_allocator(SlotAllocator<void>(slot), std::move(handler));
}

}  // namespace muster::server::http
