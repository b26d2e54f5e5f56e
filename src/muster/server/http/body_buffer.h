#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "muster/base/result.h"
#include "muster/server/http/exchange.h"

namespace muster::server::http {

/// How much memory the bodies being received may take, all connections of a server together.
/// Thread-safe.
class ReceiveBudget {
 public:
  explicit ReceiveBudget(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] bool Charge(std::size_t bytes);
  void Release(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    if (bytes >= kLarge) large_released_.store(true, std::memory_order_relaxed);
  }
  /// Whether a large body has been let go since this was asked last: what was made of it is free
  /// now or soon, and the allocator would keep that memory.
  bool TakeLargeReleased() {
    return large_released_.load(std::memory_order_relaxed) &&
           large_released_.exchange(false, std::memory_order_relaxed);
  }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kLarge = 4u << 20;

  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
  std::atomic<bool> large_released_{false};
};

/// The body being received. Memory grows as bytes arrive, to a multiple of them and never to what a
/// client declares alone, and is charged to the budget beyond a small part that stays with the
/// connection, so that small bodies neither allocate nor touch the budget. kBodyPadding bytes can
/// always be read behind it.
class BodyBuffer {
 public:
  explicit BodyBuffer(ReceiveBudget& budget) : budget_(budget) {}
  ~BodyBuffer() { FreeMemory(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  /// Room for at least one and at most `at_most` bytes behind what is there; Commit what was
  /// filled. Errors: RESOURCE_EXHAUSTED "RECEIVING_TOO_MUCH" (retry later).
  base::Result<std::span<std::byte>> Space(std::size_t at_most);
  void Commit(std::size_t bytes) { size_ += bytes; }
  base::Status Append(std::span<const std::byte> bytes);
  /// Zeroes the padding; the body is complete.
  void Finish();
  /// Gives the memory of a finished body away; it stays charged until its owner is let go, from
  /// whatever thread, and the budget must outlive that.
  TakenBody Take();
  /// Forgets the body; gives back all memory but the connection's small part.
  void Clear();
  /// Gives back that too.
  void FreeMemory();
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  base::Status Grow(std::size_t at_least);

  ReceiveBudget& budget_;
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // without the padding
};

}  // namespace muster::server::http
