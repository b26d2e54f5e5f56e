#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "muster/base/result.h"
#include "muster/server/http/body_buffer.h"
#include "muster/server/http/chunk_decoder.h"
#include "muster/server/http/gzip.h"
#include "muster/server/http/head_parser.h"
#include "muster/server/http/options.h"

namespace muster::server::http {

/// Receives the body of one request after the other: by length or in chunks, compressed or not,
/// within the limits of the options. Not thread-safe.
class BodyReader {
 public:
  BodyReader(const HttpOptions& options, ReceiveBudget& budget)
      : options_(options), buffer_(budget), chunks_(options.max_chunks) {}

  /// A request with this head begins. Errors: "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"; the
  /// request is to be refused then, with none of its body read (see left).
  base::Status Start(const HeadParser& head);
  /// Takes the body's bytes off the front of `input`. Errors: 400, 413 and 503 of the parts; all of
  /// them end the connection, for nobody knows where the next request begins.
  base::Status Feed(std::string_view& input);
  bool done() const { return done_; }
  /// Where the socket may write the rest of a body that needs no decoding; empty where it does.
  base::Result<std::span<std::byte>> DirectSpace();
  base::Status CommitDirect(std::size_t bytes);
  /// Bytes on the wire still to come, as far as they are known.
  std::optional<std::uint64_t> left() const;
  std::span<const std::byte> body() const { return buffer_.bytes(); }
  TakenBody Take() { return buffer_.Take(); }
  /// Forgets the body; larger memory is given back.
  void Clear();
  void FreeMemory() { buffer_.FreeMemory(); }

 private:
  base::Status Take(std::string_view piece);
  base::Status FeedChunks(std::string_view& input);
  base::Status Finish();
  base::Error TooLarge(std::string_view size) const;

  const HttpOptions& options_;
  BodyBuffer buffer_;
  ChunkDecoder chunks_;
  std::optional<Inflater> inflater_;
  bool chunked_ = false;
  bool done_ = true;
  std::uint64_t left_ = 0;      // of a body of known length
  std::uint64_t received_ = 0;  // compressed bytes, without chunk framing
};

}  // namespace muster::server::http
