#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::bench {

/// Reads HTTP/1.x answers from bytes however they are cut: status line, Content-Length, chunked, or
/// until the connection closes. It keeps its memory from one answer to the next, so that reading
/// allocates nothing once the largest answer has been seen. Interim answers (1xx) are skipped. Only
/// what a load generator needs is looked at; it is lenient where that does no harm.
///
///   ResponseParser parser;
///   while (parser.reading()) bytes.remove_prefix(parser.Feed(bytes));   // and more bytes
///   parser.status(); parser.body(); parser.Reset();
class ResponseParser {
 public:
  /// Takes what belongs to this answer; gives how many bytes that was. Nothing is taken once the
  /// answer is complete or broken.
  std::size_t Feed(std::string_view bytes);
  /// The peer closed the connection: completes an answer that ends so, breaks any other.
  void End();
  /// Ready for the next answer.
  void Reset();

  bool reading() const { return state_ < State::kDone; }
  bool broken() const { return state_ == State::kBroken; }
  /// Whether any byte of this answer has come.
  bool begun() const { return state_ != State::kHead || !head_.empty(); }

  // Of a complete answer; body() is valid until Reset.
  int status() const { return status_; }
  bool keep_alive() const { return keep_alive_; }
  std::string_view body() const { return body_; }

 private:
  enum class State : std::uint8_t {
    kHead,
    kLength,
    kUntilClose,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailer,
    kDone,
    kBroken
  };
  std::size_t FeedHead(std::string_view bytes);
  std::size_t FeedBody(std::string_view bytes);
  std::size_t FeedLine(std::string_view bytes);
  void ReadHead(std::string_view head);
  void ReadField(std::string_view line);
  void ReadChunkSize();
  void BeginBody();

  State state_ = State::kHead;
  int status_ = 0;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool has_length_ = false;
  std::uint64_t length_ = 0;
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::string head_;        // what has come of the head, or of a chunk's line
  std::string body_;
};

}  // namespace muster::bench
