#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "muster/base/result.h"

namespace muster::server::http {

/// Takes the chunked coding off a body (RFC 9112 7.1), any number of bytes at a time, without
/// copying. Extensions are skipped and trailers checked and dropped, both within bounds: nothing is
/// ever reserved by a size the client declares. Not thread-safe.
///
///   while (!input.empty() && !decoder.done()) body += *decoder.Next(input);
class ChunkDecoder {
 public:
  explicit ChunkDecoder(std::size_t max_chunks) : max_chunks_(max_chunks) {}

  /// Takes bytes off the front of `input` and returns the next piece of the body, a view into what
  /// it took; an empty piece means `input` is used up or the body is done. Errors: INVALID_ARGUMENT
  /// "MALFORMED_REQUEST" (framing), "TOO_MANY_CHUNKS".
  base::Result<std::string_view> Next(std::string_view& input);
  bool done() const { return state_ == State::kDone; }
  /// What the chunk being read has still to bring.
  std::uint64_t left_in_chunk() const { return left_; }
  void Reset();

 private:
  enum class State : std::uint8_t {
    kFirstDigit,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kDone
  };
  base::Status Take(char c);
  base::Status TakeSizeCharacter(char c);
  base::Status TakeExtensionCharacter(char c);
  base::Status TakeTrailerCharacter(char c);
  base::Status EndSizeLine(char c);
  base::Status EndTrailerLine();

  std::size_t max_chunks_;
  State state_ = State::kFirstDigit;
  std::uint64_t left_ = 0;
  std::size_t chunks_ = 0;
  std::size_t digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string trailer_line_;
};

}  // namespace muster::server::http
