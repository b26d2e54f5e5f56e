// The second half of Connection: from the handler's answer to the last byte on the wire.

#include <algorithm>
#include <bit>

#include "muster/server/http/connection.h"
#include "muster/server/http/negotiation.h"
#include "muster/server/http/response.h"
#include "muster/telemetry/log.h"

namespace muster::server::http {
namespace {

// Larger bodies are written from where they are, behind the head, instead of being copied to it.
constexpr std::size_t kCopiedBody = 16u << 10;
// A slow reader must take this much per write_timeout: "any progress" is counted in such pieces.
constexpr std::size_t kWritePiece = 64u << 10;
// Larger buffers are given back after an answer.
constexpr std::size_t kKept = 16u << 10;
// Room for the head of an answer as a rule.
constexpr std::size_t kUsualHead = 512;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

void ClearKeepingLittle(std::string& text) {
  text.clear();
  if (text.capacity() > kKept) text.shrink_to_fit();
}

}  // namespace

void Connection::AddHeader(std::string_view name, std::string_view value) {
  AppendHeaderLine(headers_, name, value);
}

void Connection::LogError(const base::Error& error, int status) {
  const auto left_out = set_.log_limiter().Admit(set_.loop().Now());
  if (!left_out) return;
  telemetry::Log(status < 500 ? telemetry::LogLevel::kInfo : telemetry::LogLevel::kWarning,
                 "request failed",
                 {{"status", std::to_string(status)},
                  {"reason", std::string(error.Reason())},
                  {"detail", error.message},
                  {"peer", transport_ ? transport_->peer() : std::string("gone")},
                  {"request_id", request_id_},
                  {"left_out", std::to_string(*left_out)}});
}

void Connection::SendError(const base::Error& error) {
  const int status = HttpStatus(error);
  LogError(error, status);
  out_.clear();
  AppendErrorBody(out_, error, request_id_);
  AppendRetryAfter(headers_, error, status);
  if (status == 405) AddHeader("Allow", set_.context().routes.Allowed(path()));
  Send(status, kJson);
}

void Connection::Send(int status, std::string_view content_type) {
  if (state_ == State::kClosed || (abandoned_ && state_ != State::kExecuting)) {
    set_.counters().client_gone.Add();
    return;
  }
  MUSTER_CHECK(state_ == State::kExecuting, "an exchange was answered twice");
  Enter([&] {
    if (end_of_stream_ && close_) set_.counters().client_gone.Add();
    PrepareAnswer(status, content_type);
    state_ = State::kWriting;
    Write();
  });
}

void Connection::PrepareAnswer(int status, std::string_view content_type) {
  const bool may_compress = IsCompressible(content_type);
  std::string_view body = out_;
  if (may_compress && body.size() >= set_.options().gzip_min_bytes) {
    if (const auto coding = NegotiateCoding(header("accept-encoding"));
        coding != Coding::kIdentity) {
      body = set_.Compress(coding, body);
      AddHeader("Content-Encoding", CodingName(coding));
    }
    AddHeader("Vary", "Accept-Encoding");
  }
  if (status >= 400 || header("x-request-id") == request_id_)
    AddHeader("X-Request-Id", request_id_);
  if (!set_.options().cors_origins.empty()) AppendCorsHeaders();
  close_ = close_ || !head_.keep_alive() || set_.draining();
  linger_ = linger_ || set_.draining();

  const bool head_only = method() == Method::kHead || status == 204 || status == 304;
  // What was compressed lies in a buffer of the loop, which the next answer needs.
  const bool copy = body.size() <= kCopiedBody || body.data() != out_.data();
  wire_.clear();
  // Answers of one kind differ by some bytes: a little room to spare keeps the next one from
  // growing what this one has made just large enough.
  wire_.reserve(std::bit_ceil(kUsualHead + (copy && !head_only ? body.size() : 0)));
  status_ = status;
  AppendHead(wire_, {.status = status,
                     .content_type = content_type,
                     .content_length = body.size(),
                     .date = set_.Date(set_.loop().Now()),
                     .connection = ConnectionHeader(),
                     .more = headers_});
  if (head_only) body = {};
  if (copy) wire_ += body;
  unsent_ = {BytesOf(wire_), copy ? std::span<const std::byte>() : BytesOf(body)};
}

std::string_view Connection::ConnectionHeader() const {
  if (close_) return "close";
  return head_.http_1_0() ? "keep-alive" : "";
}

void Connection::AppendCorsHeaders() {
  const auto& origins = set_.options().cors_origins;
  const bool any = std::ranges::find(origins, "*") != origins.end();
  const std::string_view origin = header("origin");
  if (!any) AddHeader("Vary", "Origin");
  if (origin.empty() || (!any && std::ranges::find(origins, origin) == origins.end())) return;
  AddHeader("Access-Control-Allow-Origin", any ? "*" : origin);
  AddHeader("Access-Control-Expose-Headers",
            "X-Request-Id, Retry-After, Retry-After-Ms, X-Muster-Shape, X-Muster-Dtype, "
            "X-Muster-Output, X-Muster-Model, X-Muster-Model-Version, "
            "Inference-Header-Content-Length");
  if (method() != Method::kOptions || header("access-control-request-method").empty()) return;
  AddHeader("Access-Control-Allow-Methods", set_.context().routes.Allowed(path()));
  const std::string_view asked = header("access-control-request-headers");
  if (!asked.empty()) AddHeader("Access-Control-Allow-Headers", asked);
  AddHeader("Access-Control-Max-Age", "600");
}

void Connection::AnswerOptions() {
  if (path() != "*") AddHeader("Allow", set_.context().routes.Allowed(path()));
  Send(204, {});
}

void Connection::Write() {
  for (auto& bytes : unsent_) {
    while (!bytes.empty()) {
      const auto written = transport_->TryWrite(bytes);
      if (!written) {
        set_.counters().client_gone.Add();
        return Close();
      }
      bytes = bytes.subspan(*written);
      if (bytes.empty()) break;
      since_ = set_.loop().Now();
      ++pending_;
      const auto piece = bytes.first(std::min(bytes.size(), kWritePiece));
      bytes = bytes.subspan(piece.size());
      return transport_->AsyncWrite(piece, [this](const base::Status& status) { OnWrite(status); });
    }
  }
  EndExchange();
}

void Connection::OnWrite(const base::Status& status) {
  --pending_;
  Enter([&] {
    if (state_ == State::kClosed) return;
    if (status) return Write();
    set_.counters().client_gone.Add();
    Close();
  });
}

void Connection::EndExchange() {
  set_.counters().responses_by_class[static_cast<std::size_t>(status_ / 100)].Add();
  if (abandoned_) {  // the handler may still look at the request: leave all buffers alone
    transport_->ShutdownWrite();
    return Close();
  }
  ClearExchange();
  since_ = set_.loop().Now();
  if (close_) return BeginClose();
  state_ = discard_ > 0 ? State::kDiscarding : State::kHead;
}

void Connection::ClearExchange() {
  ClearKeepingLittle(out_);
  ClearKeepingLittle(headers_);
  ClearKeepingLittle(wire_);
  unsent_ = {};
  if (!reading_ || !reading_body_) body_.Clear();  // else the socket still writes to it
  body_space_ = {};
  head_.Reset();
  match_ = {};
  input_.Unpin();
}

void Connection::BeginClose() {
  // Closing a socket with unread bytes makes the kernel send a reset, which can destroy the answer
  // before the client has read it (RFC 9112 9.6).
  const bool linger = linger_ || input_.unread_size() > 0;
  if (!linger || end_of_stream_) return Close();
  transport_->ShutdownWrite();
  state_ = State::kLingering;
}

}  // namespace muster::server::http
