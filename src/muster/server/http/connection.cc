#include "muster/server/http/connection.h"

#include <algorithm>

#include "muster/base/text.h"
#include "muster/server/http/negotiation.h"

namespace muster::server::http {
namespace {

// Up to this much of a refused body is dropped to keep the connection, which costs the kernel's
// time only. A client that notices the answer stops sending and closes.
constexpr std::uint64_t kMaxDiscard = 16u << 20;
constexpr std::size_t kMaxRequestId = 128;
constexpr std::size_t kUsualAnswer = 1024;  // body of one

HeadLimits LimitsOf(const HttpOptions& options) {
  return {options.max_url_bytes, options.max_header_bytes, options.max_header_fields};
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

Connection::Connection(ConnectionSet& set, std::unique_ptr<Transport> transport)
    : set_(set),
      transport_(std::move(transport)),
      peer_is_loopback_(transport_->peer_is_loopback()),
      since_(set.loop().Now()),
      head_(LimitsOf(set.options())),
      body_(set.options(), set.context().budget) {}

void Connection::Start() {
  Enter([] {});
}

void Connection::Finished() {
  while (Step()) {
  }
  entered_ = false;
  Read();
  RemoveIfOver();
}

bool Connection::Step() {
  switch (state_) {
    case State::kHead:
      return StepHead();
    case State::kBody:
      return StepBody();
    case State::kDiscarding:
      return StepDiscard();
    case State::kLingering:
      input_.TakeAll();
      return false;
    case State::kExecuting:
    case State::kWriting:
    case State::kClosed:
      break;
  }
  return false;
}

bool Connection::StepHead() {
  if (input_.unread_size() == 0) {
    if (end_of_stream_) Close();
    return false;
  }
  const auto complete = head_.Parse(input_.unread());
  if (!complete) {
    Fail(complete.error());
    return true;
  }
  if (!*complete) {
    if (end_of_stream_) Fail(Malformed("the request ends within its header"));
    return end_of_stream_;
  }
  input_.TakeAndPin(head_.size());
  BeginRequest();
  return true;
}

void Connection::BeginRequest() {
  set_.counters().requests.Add();
  TakeRequestId();
  if (const auto admitted = Admit(); !admitted) return Refuse(admitted.error());
  if (body_.done()) return Execute();
  state_ = State::kBody;
  window_bytes_ = 0;
  since_ = set_.loop().Now();
  if (head_.expects_continue() && !head_.http_1_0() && input_.unread_size() == 0) SendContinue();
}

void Connection::TakeRequestId() {
  const std::string_view theirs = head_.Header("x-request-id");
  if (!theirs.empty() && theirs.size() <= kMaxRequestId && IsPrintable(theirs)) {
    request_id_.assign(theirs);
  } else {
    set_.NewRequestId(request_id_);
  }
}

base::Status Connection::Admit() {
  const RouteTable& routes = set_.context().routes;
  if (head_.method() != Method::kOptions) {
    MUSTER_ASSIGN_OR_RETURN(match_, routes.Find(head_.method(), head_.path()));
  } else if (head_.path() != "*" && routes.Allowed(head_.path()).empty()) {
    return routes.Find(Method::kOptions, head_.path()).error();
  }
  const Route* route = match_.route;
  const std::string_view type = head_.Header("content-type");
  if (route != nullptr && head_.has_body() && !route->body_types.empty() &&
      !(route->type_optional && type.empty()) && !IsMediaType(type, route->body_types)) {
    std::string expected = route->body_types.front();
    for (std::size_t i = 1; i < route->body_types.size(); ++i)
      expected += " or " + route->body_types[i];
    return base::InvalidArgument("expected Content-Type " + expected + ", got " +
                                     (type.empty() ? "none" : base::Printable(type)),
                                 "UNSUPPORTED_MEDIA_TYPE");
  }
  MUSTER_RETURN_IF_ERROR(body_.Start(head_));
  return route != nullptr && route->admit ? route->admit(*this) : base::Status();
}

void Connection::Refuse(const base::Error& error) {
  // A client that waits for our 100 may send its body or not: only closing tells both sides where
  // the next request begins.
  const std::uint64_t left = head_.content_length();
  // Who speaks methods that HTTP does not know may speak something else altogether.
  if (head_.method() == Method::kOther) close_ = linger_ = true;
  if (head_.chunked() || left > kMaxDiscard || (head_.expects_continue() && left > 0)) {
    close_ = linger_ = true;
  } else {
    discard_ = left;
  }
  state_ = State::kExecuting;
  SendError(error);
}

void Connection::Fail(const base::Error& error) {
  if (const int status = HttpStatus(error); status < 500 || status == 505) {
    set_.counters().protocol_errors.Add();
  }
  if (state_ == State::kHead) set_.NewRequestId(request_id_);  // the client's may be half a one
  close_ = linger_ = true;
  state_ = State::kExecuting;
  SendError(error);
}

void Connection::SendContinue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  const auto written = transport_->TryWrite(std::as_bytes(std::span(kContinue)));
  // With nothing written the client sends its body after a wait of its own; half a line would
  // break everything behind it.
  if (!written || (*written > 0 && *written < kContinue.size())) Close();
}

bool Connection::StepBody() {
  std::string_view input(input_.unread().data(), input_.unread_size());
  const std::size_t before = input.size();
  const auto fed = body_.Feed(input);
  input_.Take(before - input.size());
  window_bytes_ += before - input.size();
  if (!fed) {
    Fail(fed.error());
    return true;
  }
  if (body_.done()) {
    Execute();
    return true;
  }
  if (end_of_stream_) {
    Fail(Malformed("the request ends within its body"));
    return true;
  }
  const auto space = body_.DirectSpace();
  if (!space) {
    Fail(space.error());
    return true;
  }
  body_space_ = *space;
  return false;
}

bool Connection::StepDiscard() {
  const std::size_t bytes = std::min<std::uint64_t>(discard_, input_.unread_size());
  input_.Take(bytes);
  discard_ -= bytes;
  if (discard_ > 0) {
    if (end_of_stream_) Close();
    return false;
  }
  state_ = State::kHead;
  return true;
}

void Connection::Execute() {
  state_ = State::kExecuting;
  received_at_ = set_.loop().Now();
  out_.reserve(kUsualAnswer);
  if (match_.route == nullptr) return AnswerOptions();
  match_.route->handler(shared_from_this());
}

void Connection::Read() {
  if (reading_ || end_of_stream_ || state_ == State::kWriting || state_ == State::kClosed) return;
  if (state_ == State::kDiscarding) return Discard(discard_);
  if (state_ == State::kLingering) return Discard(kMaxDiscard);
  const auto space = ReadSpace();
  if (space.empty()) return Watch();
  reading_ = true;
  watching_ = false;
  ++pending_;
  transport_->AsyncRead(space,
                        [this](base::Result<std::size_t> bytes) { OnRead(std::move(bytes)); });
}

void Connection::Discard(std::uint64_t bytes) {
  reading_ = true;
  watching_ = false;
  ++pending_;
  transport_->AsyncDiscard(bytes, [this](base::Result<std::size_t> dropped) {
    --pending_;
    reading_ = false;
    Enter([&] {
      if (state_ == State::kClosed) return;
      if (!dropped) return Close();
      if (*dropped == 0) return OnEndOfStream();
      if (state_ == State::kDiscarding) discard_ -= *dropped;
    });
  });
}

std::span<std::byte> Connection::ReadSpace() {
  reading_body_ = state_ == State::kBody && !body_space_.empty();
  if (reading_body_) return body_space_;
  // A handler's views point into the buffer: it must not move while one executes.
  const bool may_move = state_ != State::kExecuting;
  const char* const pinned_before = input_.pinned();
  auto space = input_.Space(may_move);
  if (!may_move) {
    const std::size_t limit = set_.options().max_pipelined_bytes;
    space = space.first(std::min(space.size(), limit - std::min(limit, input_.unread_size())));
  } else if (state_ == State::kBody && input_.pinned() != pinned_before) {
    head_.Rebase(input_.pinned());
    if (match_.route != nullptr) match_ = *set_.context().routes.Find(method(), path());
  }
  return space;
}

void Connection::Watch() {
  if (watching_) return;
  watching_ = true;
  transport_->WatchClose([this](PeerClosed how) {
    Enter([&] { how == PeerClosed::kReset ? Close() : OnEndOfStream(); });
  });
}

void Connection::OnRead(base::Result<std::size_t> bytes) {
  --pending_;
  reading_ = false;
  Enter([&] {
    if (state_ == State::kClosed) return;
    if (!bytes) return Close();
    if (*bytes == 0) return OnEndOfStream();
    Commit(*bytes);
  });
}

void Connection::Commit(std::size_t bytes) {
  if (!reading_body_) {
    if (state_ == State::kHead && input_.unread_size() == 0) since_ = set_.loop().Now();
    return input_.Commit(bytes);
  }
  if (state_ != State::kBody) return;  // refused in the meantime
  body_space_ = {};
  window_bytes_ += bytes;
  if (const auto committed = body_.CommitDirect(bytes); !committed) Fail(committed.error());
}

}  // namespace muster::server::http
