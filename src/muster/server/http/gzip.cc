#include "muster/server/http/gzip.h"

#include <algorithm>
#include <limits>
#include <zlib.h>

namespace muster::server::http {
namespace {

// zlib's window bits: 15 is the whole 32 KiB window in its own wrapping, 16 more asks for gzip's.
constexpr int WindowBits(Coding coding) { return coding == Coding::kGzip ? 15 + 16 : 15; }
// The fastest level: an answer is compressed on the loop's thread, which others wait for.
constexpr int kLevel = Z_BEST_SPEED;
constexpr std::size_t kMaxPiece = std::numeric_limits<uInt>::max();

Bytef* Bytes(const void* p) { return static_cast<Bytef*>(const_cast<void*>(p)); }

base::Error BadCompression(std::string message) {
  return base::InvalidArgument(std::move(message), "BAD_COMPRESSION");
}

}  // namespace

std::string_view CodingName(Coding coding) {
  if (coding == Coding::kIdentity) return {};
  return coding == Coding::kGzip ? "gzip" : "deflate";
}

struct Inflater::Stream {
  explicit Stream(Coding coding) {
    MUSTER_CHECK(inflateInit2(&z, WindowBits(coding)) == Z_OK, "inflateInit2 failed");
  }
  ~Stream() { inflateEnd(&z); }
  z_stream z{};
};

Inflater::Inflater(Coding coding) : stream_(std::make_unique<Stream>(coding)), coding_(coding) {}
Inflater::~Inflater() = default;

base::Status Inflater::Feed(std::string_view compressed, BodyBuffer& out, std::size_t max_bytes) {
  while (!compressed.empty()) {
    const std::size_t piece = std::min(compressed.size(), kMaxPiece);
    stream_->z.next_in = Bytes(compressed.data());
    stream_->z.avail_in = static_cast<uInt>(piece);
    compressed.remove_prefix(piece);
    while (stream_->z.avail_in > 0) MUSTER_RETURN_IF_ERROR(Step(out, max_bytes));
  }
  return {};
}

base::Status Inflater::Step(BodyBuffer& out, std::size_t max_bytes) {
  z_stream& z = stream_->z;
  if (at_end_) {  // another member of the same file
    if (coding_ != Coding::kGzip || inflateReset(&z) != Z_OK) {
      return BadCompression("bytes behind the end of the compressed body");
    }
    at_end_ = false;
  }
  int code = Z_OK;
  do {
    // One byte beyond the limit, to tell a body of exactly that size from a larger one.
    MUSTER_ASSIGN_OR_RETURN(const auto space, out.Space(max_bytes + 1 - out.size()));
    z.next_out = Bytes(space.data());
    z.avail_out = static_cast<uInt>(std::min(space.size(), kMaxPiece));
    const uInt before = z.avail_out;
    code = inflate(&z, Z_NO_FLUSH);
    out.Commit(before - z.avail_out);
    if (out.size() > max_bytes) {
      return base::ResourceExhausted(
          "the body has more than " + std::to_string(max_bytes) + " bytes when decompressed",
          "BODY_TOO_LARGE");
    }
  } while (code == Z_OK && z.avail_out == 0);
  at_end_ = code == Z_STREAM_END;
  if (code == Z_MEM_ERROR) return base::ResourceExhausted("out of memory while decompressing");
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
    return BadCompression("the body is not valid " + std::string(CodingName(coding_)));
  }
  return {};
}

base::Status Inflater::Finish() const {
  if (at_end_) return {};
  return BadCompression("the compressed body ends too early");
}

struct Deflater::Stream {
  explicit Stream(Coding coding) {
    MUSTER_CHECK(
        deflateInit2(&z, kLevel, Z_DEFLATED, WindowBits(coding), 8, Z_DEFAULT_STRATEGY) == Z_OK,
        "deflateInit2 failed");
  }
  ~Stream() { deflateEnd(&z); }
  z_stream z{};
};

Deflater::Deflater() = default;
Deflater::~Deflater() = default;

void Deflater::Compress(Coding coding, std::string_view plain, std::string& out) {
  auto& stream = coding == Coding::kGzip ? gzip_ : deflate_;
  if (stream == nullptr) stream = std::make_unique<Stream>(coding);
  z_stream& z = stream->z;
  MUSTER_CHECK(deflateReset(&z) == Z_OK, "deflateReset failed");
  std::size_t written = out.size();
  out.resize(written + deflateBound(&z, plain.size()));
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    const std::size_t piece = std::min(plain.size(), kMaxPiece);
    z.next_in = Bytes(plain.data());
    z.avail_in = static_cast<uInt>(piece);
    z.next_out = Bytes(out.data() + written);
    z.avail_out = static_cast<uInt>(std::min(out.size() - written, kMaxPiece));
    const uInt room = z.avail_out;
    code = deflate(&z, piece == plain.size() ? Z_FINISH : Z_NO_FLUSH);
    MUSTER_CHECK(code == Z_OK || code == Z_STREAM_END, "deflate failed");
    plain.remove_prefix(piece - z.avail_in);
    written += room - z.avail_out;
  }
  out.resize(written);
}

}  // namespace muster::server::http
