#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace muster::server::http {

/// The bytes of a connection: what is read goes in behind, what is parsed is taken off the front. A
/// request's head can be pinned: it stays where it is while later bytes come and go. Reused for the
/// connection's life; small while idle.
///
///   | … | pinned head | taken | unread | space |
class InputBuffer {
 public:
  /// Bytes that have come and are not taken yet.
  std::span<char> unread() { return {data_.get() + begin_, end_ - begin_}; }
  std::size_t unread_size() const { return end_ - begin_; }
  /// Takes `bytes` off the front and pins them: a head that views point into.
  void TakeAndPin(std::size_t bytes);
  void Take(std::size_t bytes) { begin_ += bytes; }
  void TakeAll() { begin_ = end_; }
  void Unpin() { pinned_ = false; }
  const char* pinned() const { return data_.get() + pin_; }

  /// Where to read to. `may_move`: everything may be moved to make room (then Rebase who points
  /// here); otherwise there may be none. Not while a read is under way.
  std::span<std::byte> Space(bool may_move);
  void Commit(std::size_t bytes) { end_ += bytes; }

 private:
  void MakeRoom();

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t pin_ = 0;  // where the pinned head begins
  std::size_t pin_end_ = 0;
  bool pinned_ = false;
};

}  // namespace muster::server::http
