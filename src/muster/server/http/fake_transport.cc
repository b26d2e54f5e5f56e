#include "muster/server/http/fake_transport.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace muster::server::http {

struct FakeTransport::State : std::enable_shared_from_this<FakeTransport::State> {
  explicit State(base::Loop& owner) : loop(owner) {}

  // Looks, in the loop's next turn, at what the pending operations can do.
  void Schedule() {
    loop.Post([self = shared_from_this()] { self->Progress(); });
  }
  void Progress() {
    ProgressRead();
    ProgressWrite();
    ProgressWatch();
  }
  void ProgressRead() {
    if (!read_done) return;
    if (closed || reset) return Complete(read_done, base::Result<std::size_t>(Gone()));
    if (inbox.empty() && !peer_ended) return;
    const std::size_t wanted = discards ? discard : into.size();
    const std::size_t size = std::min({inbox.size(), wanted, read_size});
    if (discards) {
      discarded += size;
    } else {
      std::memcpy(into.data(), inbox.data(), size);
    }
    inbox.erase(0, size);
    Complete(read_done, base::Result<std::size_t>(size));
  }
  void ProgressWrite() {
    if (!write_done) return;
    if (closed || reset) return Complete(write_done, base::Status(Gone()));
    unwritten = unwritten.subspan(Take(unwritten));
    if (unwritten.empty()) Complete(write_done, base::Status());
  }
  void ProgressWatch() {
    if (!watch_done || closed) return;
    if (reset) return Complete(watch_done, PeerClosed::kReset);
    if (peer_ended && inbox.empty()) Complete(watch_done, PeerClosed::kEndOfStream);
  }
  std::size_t Take(std::span<const std::byte> bytes) {
    const std::size_t size = std::min(bytes.size(), window);
    outbox.append(reinterpret_cast<const char*>(bytes.data()), size);
    if (window != std::numeric_limits<std::size_t>::max()) window -= size;
    return size;
  }
  static base::Error Gone() { return base::Cancelled("the connection is closed"); }
  template <class Done, class Value>
  static void Complete(Done& done, Value value) {
    std::exchange(done, nullptr)(std::move(value));
  }

  base::Loop& loop;
  std::string inbox;   // from the peer
  std::string outbox;  // to the peer
  std::size_t window = std::numeric_limits<std::size_t>::max();
  std::size_t read_size = std::numeric_limits<std::size_t>::max();
  bool peer_ended = false;
  bool reset = false;
  bool ended = false;
  bool closed = false;
  std::span<std::byte> into;
  bool discards = false;  // instead of filling `into`
  std::size_t discard = 0;
  std::size_t discarded = 0;
  std::span<const std::byte> unwritten;
  ReadDone read_done;
  WriteDone write_done;
  CloseDone watch_done;
};

std::unique_ptr<FakeTransport> FakeTransport::Make(base::Loop& loop, Peer& peer) {
  peer.state_ = std::make_shared<State>(loop);
  return std::make_unique<FakeTransport>(peer.state_);
}

base::Result<std::size_t> FakeTransport::TryWrite(std::span<const std::byte> bytes) {
  if (state_->closed || state_->reset) return State::Gone();
  return state_->Take(bytes);
}

void FakeTransport::AsyncWrite(std::span<const std::byte> bytes, WriteDone done) {
  MUSTER_CHECK(!state_->write_done, "two writes at once");
  state_->unwritten = bytes;
  state_->write_done = std::move(done);
  state_->Schedule();
}

void FakeTransport::AsyncRead(std::span<std::byte> into, ReadDone done) {
  MUSTER_CHECK(!state_->read_done && !into.empty(), "two reads at once, or one of nothing");
  state_->watch_done = nullptr;
  state_->into = into;
  state_->discards = false;
  state_->read_done = std::move(done);
  state_->Schedule();
}

void FakeTransport::AsyncDiscard(std::size_t bytes, ReadDone done) {
  MUSTER_CHECK(!state_->read_done && bytes > 0, "two reads at once, or one of nothing");
  state_->watch_done = nullptr;
  state_->discards = true;
  state_->discard = bytes;
  state_->read_done = std::move(done);
  state_->Schedule();
}

void FakeTransport::WatchClose(CloseDone done) {
  state_->watch_done = std::move(done);
  state_->Schedule();
}

void FakeTransport::ShutdownWrite() { state_->ended = true; }

void FakeTransport::Close() {
  if (state_->closed) return;
  state_->closed = state_->ended = true;
  state_->watch_done = nullptr;
  state_->Schedule();
}

void FakeTransport::Peer::Send(std::string_view bytes) {
  state_->inbox += bytes;
  state_->Schedule();
}
void FakeTransport::Peer::CloseWrite() {
  state_->peer_ended = true;
  state_->Schedule();
}
void FakeTransport::Peer::Reset() {
  state_->reset = true;
  state_->inbox.clear();
  state_->Schedule();
}
std::string FakeTransport::Peer::TakeReceived() { return std::exchange(state_->outbox, {}); }
bool FakeTransport::Peer::saw_end() const { return state_->ended; }
bool FakeTransport::Peer::closed() const { return state_->closed; }
void FakeTransport::Peer::SetWindow(std::size_t bytes) {
  state_->window = bytes;
  state_->Schedule();
}
void FakeTransport::Peer::SetReadSize(std::size_t bytes) { state_->read_size = bytes; }
std::size_t FakeTransport::Peer::discarded() const { return state_->discarded; }
bool FakeTransport::Peer::being_read() const { return static_cast<bool>(state_->read_done); }

}  // namespace muster::server::http
