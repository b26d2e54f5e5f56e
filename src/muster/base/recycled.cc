#include "muster/base/recycled.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <utility>

#include "muster/base/mutex.h"

namespace muster::base {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepBlocks = false;  // what is kept cannot be seen to be used after it was freed
#else
constexpr bool kKeepBlocks = true;
#endif

constexpr std::size_t kSmallest = 64;
constexpr std::size_t kLargest = 8192;
constexpr std::size_t kSizes = std::bit_width(kLargest / kSmallest);
constexpr std::align_val_t kAlignment{kRecycledAlignment};

struct Pool;

/// A block that is kept: its first bytes are the list it is in.
struct Kept {
  Kept* next;
};

/// Blocks of one size.
struct Shelf {
  Kept* own = nullptr;
  std::size_t own_count = 0;
  std::atomic<Kept*> returned{nullptr};  // by other threads, who only push
  std::atomic<std::size_t> returned_count{0};
};

/// What one thread keeps. Never destroyed, since blocks that are out point to it: the next thread
/// takes it over.
struct Pool {
  std::array<Shelf, kSizes> shelves;
  std::atomic<bool> has_thread{true};
  Pool* next_idle = nullptr;
};

struct IdlePools {
  Mutex mutex;
  Pool* first MUSTER_GUARDED_BY(mutex) = nullptr;
};
IdlePools& Idle() {
  static IdlePools& idle = *new IdlePools;  // outlives every thread
  return idle;
}

/// The last bytes of a block are whose it is.
constexpr std::size_t kOwnerBytes = sizeof(Pool*);

/// kSizes for what is too large to keep.
std::size_t ShelfOf(std::size_t bytes) {
  if (bytes > kLargest - kOwnerBytes) return kSizes;
  const std::size_t lines = (bytes + kOwnerBytes - 1) / kSmallest;
  return static_cast<std::size_t>(std::bit_width(lines));
}
std::size_t BytesOf(std::size_t shelf) { return kSmallest << shelf; }

/// With all sizes at their bound a thread keeps 12 MB, and as much again that came from others.
std::size_t MostOf(std::size_t shelf) {
  constexpr std::size_t kBlocks = 1024;
  constexpr std::size_t kBytes = 4u << 20;
  return std::min(kBlocks, kBytes / BytesOf(shelf));
}

Pool*& OwnerOf(void* block, std::size_t shelf) {
  return *reinterpret_cast<Pool**>(static_cast<std::byte*>(block) + BytesOf(shelf) - kOwnerBytes);
}

void Free(void* block) noexcept { ::operator delete(block, kAlignment); }

void FreeAll(Kept* list) {
  while (list != nullptr) Free(std::exchange(list, list->next));
}

// --- Threads come and go

thread_local Pool* mine = nullptr;
thread_local bool ended = false;  // other thread-local objects may still give back

/// Gives the thread's pool to the next one.
struct AtThreadEnd {
  ~AtThreadEnd() {
    ended = true;
    Pool* const pool = std::exchange(mine, nullptr);
    if (pool == nullptr) return;
    pool->has_thread.store(false, std::memory_order_relaxed);
    for (Shelf& shelf : pool->shelves) {
      FreeAll(std::exchange(shelf.own, nullptr));
      shelf.own_count = 0;
      FreeAll(shelf.returned.exchange(nullptr, std::memory_order_acquire));
      shelf.returned_count.store(0, std::memory_order_relaxed);
    }
    IdlePools& idle = Idle();
    const MutexLock lock(idle.mutex);
    pool->next_idle = std::exchange(idle.first, pool);
  }
};

/// This thread's pool; none where it has ended.
Pool* FindPool() {
  if (ended) return nullptr;
  thread_local const AtThreadEnd at_end;
  IdlePools& idle = Idle();
  {
    const MutexLock lock(idle.mutex);
    mine = idle.first;
    if (mine != nullptr) idle.first = mine->next_idle;
  }
  if (mine == nullptr) mine = new Pool;
  mine->has_thread.store(true, std::memory_order_relaxed);
  return mine;
}

// --- Blocks come and go

/// Everything that other threads have given back becomes the thread's own.
void TakeReturned(Shelf& shelf) {
  if (shelf.returned.load(std::memory_order_relaxed) == nullptr) return;
  shelf.own = shelf.returned.exchange(nullptr, std::memory_order_acquire);
  for (const Kept* kept = shelf.own; kept != nullptr; kept = kept->next) ++shelf.own_count;
  shelf.returned_count.fetch_sub(shelf.own_count, std::memory_order_relaxed);
}

void Return(Shelf& shelf, void* block, std::size_t most) noexcept {
  if (shelf.returned_count.fetch_add(1, std::memory_order_relaxed) >= most) {
    shelf.returned_count.fetch_sub(1, std::memory_order_relaxed);
    return Free(block);
  }
  Kept* const kept = ::new (block) Kept{shelf.returned.load(std::memory_order_relaxed)};
  while (!shelf.returned.compare_exchange_weak(kept->next, kept, std::memory_order_release,
                                               std::memory_order_relaxed)) {
  }
}

}  // namespace

void* TakeRecycled(std::size_t bytes) {
  const std::size_t size = kKeepBlocks ? ShelfOf(bytes) : kSizes;
  if (size == kSizes) return ::operator new(bytes, kAlignment);
  Pool* const pool = mine != nullptr ? mine : FindPool();
  if (pool != nullptr) {
    Shelf& shelf = pool->shelves[size];
    if (shelf.own == nullptr) TakeReturned(shelf);
    if (shelf.own != nullptr) {
      --shelf.own_count;
      return std::exchange(shelf.own, shelf.own->next);
    }
  }
  void* const block = ::operator new(BytesOf(size), kAlignment);
  OwnerOf(block, size) = pool;
  return block;
}

void GiveRecycled(void* block, std::size_t bytes) noexcept {
  const std::size_t size = kKeepBlocks ? ShelfOf(bytes) : kSizes;
  if (size == kSizes) return Free(block);
  Pool* const owner = OwnerOf(block, size);
  if (owner == nullptr) return Free(block);
  Shelf& shelf = owner->shelves[size];
  if (owner != mine) {
    if (!owner->has_thread.load(std::memory_order_relaxed)) return Free(block);
    return Return(shelf, block, MostOf(size));
  }
  if (shelf.own_count >= MostOf(size)) return Free(block);
  ++shelf.own_count;
  shelf.own = ::new (block) Kept{shelf.own};
}

}  // namespace muster::base
