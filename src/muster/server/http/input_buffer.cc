#include "muster/server/http/input_buffer.h"

#include <algorithm>
#include <cstring>

namespace muster::server::http {
namespace {

constexpr std::size_t kInitial = 4u << 10;
constexpr std::size_t kKept = 16u << 10;
constexpr std::size_t kMinSpace = 1u << 10;  // less is not worth a read

}  // namespace

void InputBuffer::TakeAndPin(std::size_t bytes) {
  pinned_ = true;
  pin_ = begin_;
  begin_ += bytes;
  pin_end_ = begin_;
}

std::span<std::byte> InputBuffer::Space(bool may_move) {
  if (begin_ == end_) {
    begin_ = end_ = pinned_ ? pin_end_ : 0;
    if (may_move && !pinned_ && capacity_ > kKept) {  // a large head is over
      data_.reset();
      capacity_ = 0;
    }
  }
  if (may_move && capacity_ - end_ < kMinSpace) MakeRoom();
  return std::as_writable_bytes(std::span(data_.get() + end_, capacity_ - end_));
}

void InputBuffer::MakeRoom() {
  const std::size_t from = pinned_ ? pin_ : begin_;
  const std::size_t used = end_ - from;
  if (capacity_ - used >= kMinSpace) {
    std::memmove(data_.get(), data_.get() + from, used);
  } else {
    capacity_ = std::max(kInitial, capacity_ * 2);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
    if (used > 0) std::memcpy(larger.get(), data_.get() + from, used);
    data_ = std::move(larger);
  }
  begin_ -= from;
  end_ -= from;
  pin_ -= std::min(pin_, from);
  pin_end_ -= std::min(pin_end_, from);
}

}  // namespace muster::server::http
