#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <vector>

namespace muster::base {

/// Every block begins at a multiple of this: a cache line, and the widest vector.
inline constexpr std::size_t kRecycledAlignment = 64;

/// Memory for what lives about as long as a request and may end on another thread than it began on.
/// A block that is given back waits with the thread that took it, whoever gives it back, and that
/// thread's next TakeRecycled of about that size finds it there; a malloc per request would send it
/// between the threads' caches and the heap instead. A thread keeps a bounded number of blocks of
/// each size; more of them, larger ones, and those of threads that have ended go back to the heap.
/// Thread-safe; never waits. Throws std::bad_alloc as new does.
void* TakeRecycled(std::size_t bytes);
/// `bytes` as they were asked for.
void GiveRecycled(void* block, std::size_t bytes) noexcept;

/// The allocator for such memory:
///
///   auto flow = std::allocate_shared<Flow>(base::Recycled<Flow>(), ...);
///   base::RecycledVector<Tensor> inputs;
template <class T>
struct Recycled {
  using value_type = T;
  static_assert(alignof(T) <= kRecycledAlignment);

  Recycled() = default;
  template <class U>
  Recycled(const Recycled<U>&) {}  // NOLINT
  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    return static_cast<T*>(TakeRecycled(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept { GiveRecycled(block, count * sizeof(T)); }
  friend bool operator==(Recycled, Recycled) { return true; }
};

template <class T>
using RecycledVector = std::vector<T, Recycled<T>>;

}  // namespace muster::base
