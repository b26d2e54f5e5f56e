#include "muster/server/http/body_reader.h"

#include <algorithm>
#include <string>

#include "muster/server/http/negotiation.h"

namespace muster::server::http {

base::Error BodyReader::TooLarge(std::string_view size) const {
  return base::ResourceExhausted("the body has " + std::string(size) + " bytes; at most " +
                                     std::to_string(options_.max_body_bytes) + " are allowed",
                                 "BODY_TOO_LARGE");
}

base::Status BodyReader::Start(const HeadParser& head) {
  Clear();
  if (!head.has_body()) return Finish();
  chunked_ = head.chunked();
  left_ = head.content_length();
  done_ = false;
  if (left_ > options_.max_body_bytes) return TooLarge(std::to_string(left_));
  const bool twice = head.CountHeader("content-encoding") > 1;
  MUSTER_ASSIGN_OR_RETURN(
      const Coding coding,
      ContentCoding(twice ? "(several headers)" : head.Header("content-encoding")));
  if (coding != Coding::kIdentity) inflater_.emplace(coding);
  return {};
}

std::optional<std::uint64_t> BodyReader::left() const {
  if (done_) return 0;
  return chunked_ ? std::nullopt : std::optional(left_);
}

void BodyReader::Clear() {
  buffer_.Clear();
  chunks_.Reset();
  inflater_.reset();
  chunked_ = false;
  done_ = true;
  left_ = received_ = 0;
}

base::Status BodyReader::Feed(std::string_view& input) {
  if (done_) return {};
  if (chunked_) return FeedChunks(input);
  const std::string_view piece = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
  input.remove_prefix(piece.size());
  left_ -= piece.size();
  MUSTER_RETURN_IF_ERROR(Take(piece));
  return left_ == 0 ? Finish() : base::Status();
}

base::Status BodyReader::FeedChunks(std::string_view& input) {
  while (!input.empty() && !chunks_.done()) {
    MUSTER_ASSIGN_OR_RETURN(const std::string_view piece, chunks_.Next(input));
    received_ += piece.size();
    // A chunk that cannot fit is refused by its size already, before it has come.
    if (received_ + chunks_.left_in_chunk() > options_.max_body_bytes) {
      return TooLarge("more than " + std::to_string(options_.max_body_bytes));
    }
    MUSTER_RETURN_IF_ERROR(Take(piece));
  }
  return chunks_.done() ? Finish() : base::Status();
}

base::Status BodyReader::Take(std::string_view piece) {
  if (inflater_) return inflater_->Feed(piece, buffer_, options_.max_body_bytes);
  return buffer_.Append(std::as_bytes(std::span(piece)));
}

base::Result<std::span<std::byte>> BodyReader::DirectSpace() {
  if (done_ || chunked_ || inflater_) return std::span<std::byte>();
  return buffer_.Space(left_);
}

base::Status BodyReader::CommitDirect(std::size_t bytes) {
  buffer_.Commit(bytes);
  left_ -= bytes;
  return left_ == 0 ? Finish() : base::Status();
}

base::Status BodyReader::Finish() {
  done_ = true;
  if (inflater_) MUSTER_RETURN_IF_ERROR(inflater_->Finish());
  buffer_.Finish();
  return {};
}

}  // namespace muster::server::http
