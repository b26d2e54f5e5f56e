#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "muster/base/result.h"
#include "muster/server/http/body_buffer.h"

namespace muster::server::http {

enum class Coding { kIdentity, kGzip, kDeflate };

/// "gzip", "deflate" or empty.
std::string_view CodingName(Coding coding);

/// Expands gzip (RFC 1952, several members too) or deflate in zlib's wrapping (RFC 1950) as it
/// arrives, never beyond a limit. Errors: INVALID_ARGUMENT "BAD_COMPRESSION", RESOURCE_EXHAUSTED
/// "BODY_TOO_LARGE", and those of BodyBuffer.
class Inflater {
 public:
  explicit Inflater(Coding coding);
  ~Inflater();
  base::Status Feed(std::string_view compressed, BodyBuffer& out, std::size_t max_bytes);
  /// The compressed body is over: was it complete?
  base::Status Finish() const;

 private:
  base::Status Step(BodyBuffer& out, std::size_t max_bytes);

  struct Stream;
  std::unique_ptr<Stream> stream_;
  Coding coding_;
  bool at_end_ = false;
};

/// Compresses answers; its quarter megabyte of state is reused. Not thread-safe: one per loop.
class Deflater {
 public:
  Deflater();
  ~Deflater();
  /// Appends `plain` in the given coding, which is not identity, to `out`.
  void Compress(Coding coding, std::string_view plain, std::string& out);

 private:
  struct Stream;
  std::unique_ptr<Stream> gzip_;
  std::unique_ptr<Stream> deflate_;
};

}  // namespace muster::server::http
