#include "muster/server/http/body_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace muster::server::http {
namespace {

// A connection keeps this much between requests, uncharged: with 10,000 connections 80 MB.
constexpr std::size_t kKept = 8u << 10;
constexpr std::size_t kFirst = 1u << 10;
// Where it is known how much will come: so many times what is here. Memory that nobody has written
// to costs nothing but the budget, and each step copies all that came before.
constexpr std::size_t kGrowth = 8;

}  // namespace

bool ReceiveBudget::Charge(std::size_t bytes) {
  const std::size_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= limit_) return true;
  Release(bytes);
  return false;
}

base::Result<std::span<std::byte>> BodyBuffer::Space(std::size_t at_most) {
  if (size_ == capacity_) {
    MUSTER_RETURN_IF_ERROR(Grow(std::min(size_ + at_most, std::max(size_, kFirst) * kGrowth)));
  }
  return std::span(data_.get() + size_, std::min(at_most, capacity_ - size_));
}

base::Status BodyBuffer::Append(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (bytes.size() > capacity_ - size_) {
    MUSTER_RETURN_IF_ERROR(Grow(std::max(size_ + bytes.size(), capacity_ * 2)));
  }
  std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return {};
}

base::Status BodyBuffer::Grow(std::size_t at_least) {
  const std::size_t wanted = std::max(at_least, kFirst);
  const std::size_t charge = std::max(wanted, kKept) - std::max(capacity_, kKept);
  if (charge > 0 && !budget_.Charge(charge)) {
    base::Error error = base::ResourceExhausted(
        "the server is receiving too many large requests at once", "RECEIVING_TOO_MUCH");
    error.retry_after = std::chrono::seconds(1);
    return error;
  }
  void* moved = std::realloc(data_.get(), wanted + kBodyPadding);
  if (moved == nullptr) {
    budget_.Release(charge);
    return base::ResourceExhausted("out of memory while receiving a request");
  }
  (void)data_.release();
  data_.reset(static_cast<std::byte*>(moved));
  capacity_ = wanted;
  return {};
}

void BodyBuffer::Finish() {
  if (data_ == nullptr && !Grow(1)) throw std::bad_alloc();  // 1 KiB, never charged
  std::memset(data_.get() + size_, 0, kBodyPadding);
}

TakenBody BodyBuffer::Take() {
  const std::size_t charge = std::max(capacity_, kKept) - kKept;
  TakenBody taken;
  taken.bytes = {data_.get(), size_};
  taken.owner = std::shared_ptr<void>(data_.release(), [&budget = budget_, charge](void* memory) {
    std::free(memory);
    budget.Release(charge);
  });
  size_ = capacity_ = 0;
  return taken;
}

void BodyBuffer::Clear() {
  size_ = 0;
  if (capacity_ > kKept) FreeMemory();
}

void BodyBuffer::FreeMemory() {
  budget_.Release(std::max(capacity_, kKept) - kKept);
  data_.reset();
  size_ = capacity_ = 0;
}

}  // namespace muster::server::http
