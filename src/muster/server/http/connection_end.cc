// The last part of Connection: peers that leave or are too slow, draining, closing.

#include "muster/server/http/connection.h"

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;

// How long a refused client may go on sending before it must have read the answer; with the
// sweep's period less than a second.
constexpr auto kLinger = 750ms;
// A body has this long to bring min_body_bytes_per_second's worth, again and again.
constexpr auto kRateWindow = 10s;

base::Error ShuttingDown() {
  base::Error error = base::Unavailable("the server is shutting down", "DRAINING");
  error.retry_after = 1s;
  return error;
}

base::Error TooSlow(std::string what) {
  return base::DeadlineExceeded(std::move(what), "REQUEST_TIMEOUT");
}

}  // namespace

void Connection::OnEndOfStream() {
  end_of_stream_ = true;
  if (state_ == State::kExecuting) {
    if (!set_.options().cancel_on_half_close) return;
    close_ = true;
    cancel_.request_stop();  // may answer at once
  } else if (state_ == State::kLingering) {
    Close();
  }
}

void Connection::CheckTime(base::TimePoint now, bool dropped) {
  Enter([&] {
    const base::Duration waited = now - since_;
    if (state_ == State::kExecuting) {
      if (dropped) SendError(base::Internal("the request was not answered", "NO_ANSWER"));
    } else if (state_ == State::kBody) {
      CheckBodyRate(now, waited);
    } else if (waited >= TimeAllowed()) {
      EndForTime();
    }
  });
}

base::Duration Connection::TimeAllowed() const {
  const HttpOptions& options = set_.options();
  switch (state_) {
    case State::kHead:
      return input_.unread_size() == 0 ? options.idle_timeout : options.header_timeout;
    case State::kWriting:
      return options.write_timeout;
    case State::kDiscarding:
      return options.header_timeout;
    case State::kLingering:
      return kLinger;
    case State::kBody:
    case State::kExecuting:
    case State::kClosed:
      break;
  }
  return base::Duration::max();
}

void Connection::EndForTime() {
  if (state_ == State::kHead && input_.unread_size() > 0) {
    return Fail(TooSlow("the request's header did not arrive in time"));
  }
  if (state_ == State::kWriting) set_.counters().client_gone.Add();
  Close();
}

void Connection::CheckBodyRate(base::TimePoint now, base::Duration waited) {
  if (waited < kRateWindow) return;
  if (window_bytes_ < set_.options().min_body_bytes_per_second * (kRateWindow / 1s)) {
    return Fail(TooSlow("the request's body arrives too slowly"));
  }
  window_bytes_ = 0;
  since_ = now;
}

void Connection::EndUnlessAccepted() {
  Enter([&] {
    if (state_ == State::kDiscarding || (state_ == State::kHead && input_.unread_size() == 0)) {
      Close();
    } else if (state_ == State::kHead || state_ == State::kBody) {
      Fail(ShuttingDown());
    }
  });
}

void Connection::Abandon() {
  Enter([&] {
    if (state_ == State::kExecuting) {
      abandoned_ = true;
      cancel_.request_stop();
    }
    // Still: whoever was told to stop may have answered.
    if (state_ == State::kExecuting) SendError(ShuttingDown());
    Close();
  });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const bool executing = state_ == State::kExecuting;
  state_ = State::kClosed;
  transport_->Close();
  if (executing) cancel_.request_stop();
}

void Connection::RemoveIfOver() {
  if (state_ != State::kClosed || pending_ > 0 || transport_ == nullptr) return;
  // Handlers may keep the exchange for long, and beyond the loop's life; the socket must not live
  // on.
  transport_.reset();
  set_.Remove(*this);  // may destroy this
}

}  // namespace muster::server::http
