#include "muster/server/http/chunk_decoder.h"

#include <algorithm>

#include "muster/base/text.h"
#include "muster/server/http/ascii.h"
#include "muster/server/http/head_parser.h"

namespace muster::server::http {
namespace {

constexpr std::size_t kMaxDigits = 15;            // of a size: cannot overflow 64 bits
constexpr std::size_t kMaxExtensionBytes = 4096;  // of all chunks together; nobody uses them
constexpr std::size_t kMaxTrailerBytes = 8192;

// Fields that frame or route a message; behind the body they could only contradict the head
// (RFC 9110 6.5.1).
bool ForbiddenInTrailer(std::string_view name) {
  for (const std::string_view forbidden :
       {"content-length", "transfer-encoding", "host", "content-encoding", "content-type",
        "connection", "authorization", "expect", "trailer", "te", "upgrade"}) {
    if (EqualsIgnoringCase(name, forbidden)) return true;
  }
  return false;
}

}  // namespace

void ChunkDecoder::Reset() {
  state_ = State::kFirstDigit;
  left_ = 0;
  chunks_ = digits_ = extension_bytes_ = trailer_bytes_ = 0;
  trailer_line_.clear();
}

base::Result<std::string_view> ChunkDecoder::Next(std::string_view& input) {
  while (!input.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::string_view piece = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
      input.remove_prefix(piece.size());
      left_ -= piece.size();
      if (left_ == 0) state_ = State::kDataCr;
      return piece;
    }
    MUSTER_RETURN_IF_ERROR(Take(input.front()));
    input.remove_prefix(1);
  }
  return std::string_view();
}

base::Status ChunkDecoder::Take(char c) {
  switch (state_) {
    case State::kFirstDigit:
    case State::kSize:
      return TakeSizeCharacter(c);
    case State::kExtension:
      return TakeExtensionCharacter(c);
    case State::kSizeLf:
      return EndSizeLine(c);
    case State::kDataCr:
      if (c != '\r') return Malformed("a chunk is longer than its size says");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return Malformed("a chunk does not end with CR LF");
      state_ = State::kFirstDigit;
      return {};
    case State::kTrailer:
      return TakeTrailerCharacter(c);
    case State::kData:
    case State::kDone:
      break;
  }
  return {};
}

base::Status ChunkDecoder::TakeSizeCharacter(char c) {
  if (const int digit = HexDigit(c); digit >= 0) {
    if (state_ == State::kFirstDigit) left_ = digits_ = 0;
    state_ = State::kSize;
    if (++digits_ > kMaxDigits) return Malformed("a chunk's size has too many digits");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (state_ == State::kFirstDigit || (c != '\r' && c != ';')) {
    return Malformed("a chunk's size is not a hexadecimal number");
  }
  state_ = c == '\r' ? State::kSizeLf : State::kExtension;
  return {};
}

base::Status ChunkDecoder::TakeExtensionCharacter(char c) {
  if (c == '\r') {
    state_ = State::kSizeLf;
    return {};
  }
  const auto code = static_cast<unsigned char>(c);
  if ((code < 0x20 && c != '\t') || code == 0x7f) return Malformed("control character in a chunk");
  if (++extension_bytes_ > kMaxExtensionBytes) return Malformed("chunk extensions are too long");
  return {};
}

base::Status ChunkDecoder::EndSizeLine(char c) {
  if (c != '\n') return Malformed("a chunk's size does not end with CR LF");
  if (left_ == 0) {
    state_ = State::kTrailer;
    return {};
  }
  if (++chunks_ > max_chunks_) {
    return base::InvalidArgument(
        "the body has more than " + std::to_string(max_chunks_) + " chunks", "TOO_MANY_CHUNKS");
  }
  state_ = State::kData;
  return {};
}

base::Status ChunkDecoder::TakeTrailerCharacter(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return Malformed("the trailer is too long");
  if (c == '\n') return EndTrailerLine();
  trailer_line_ += c;
  return {};
}

base::Status ChunkDecoder::EndTrailerLine() {
  if (!trailer_line_.ends_with('\r')) return Malformed("a trailer line does not end with CR LF");
  trailer_line_.pop_back();
  if (trailer_line_.empty()) {
    state_ = State::kDone;
    return {};
  }
  std::string_view name;
  std::string_view value;
  MUSTER_RETURN_IF_ERROR(SplitField(trailer_line_, name, value));
  if (ForbiddenInTrailer(name)) {
    return Malformed("field " + base::Printable(name) + " may not come behind the body");
  }
  trailer_line_.clear();
  return {};
}

}  // namespace muster::server::http
