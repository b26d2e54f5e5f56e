#include "muster/server/http/tcp_transport.h"

#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

#include "muster/server/http/asio_loop.h"
#include "muster/server/http/internal/asio.h"
#include "muster/server/http/internal/operation_slot.h"

namespace muster::server::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

base::Error Broken(const error_code& error) {
  return error == asio::error::operation_aborted
             ? base::Cancelled("the connection is closed")
             : base::Unavailable("the connection is broken: " + error.message());
}

/// The socket and the completions it owes; shared with the pending operations, whose memory it
/// also holds, so that it outlives them whatever happens to the transport.
struct Core : std::enable_shared_from_this<Core> {
  Core(AsioLoop& loop, int fd) : socket(loop.io()) {
    error_code error;
    const auto remote = [&] {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size);
      return address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
    }();
    socket.assign(remote, fd, error);
    MUSTER_CHECK(!error, "cannot watch a socket: " + error.message());
    socket.non_blocking(true, error);
    socket.set_option(tcp::no_delay(true), error);  // fails only where the peer has gone already
    endpoint = socket.remote_endpoint(error);
  }

  void Discard();
  void OnDiscardable();
  void Watch();
  void WatchFor(tcp::socket::wait_type what, OperationSlot& slot);
  void OnWatch(tcp::socket::wait_type what);
  void PeerIsGone(PeerClosed how);

  tcp::socket socket;
  tcp::endpoint endpoint;
  Transport::ReadDone read_done;
  std::size_t discard = 0;  // at most so many bytes
  Transport::WriteDone write_done;
  Transport::CloseDone watch_done;
  std::uint64_t watch = 0;  // which one; others have ended
  OperationSlot read_slot;
  OperationSlot write_slot;
  OperationSlot watch_slot;
  OperationSlot error_slot;
};

// Is there data (> 0), the end (0) or nothing (< 0, errno)?
ssize_t Peek(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

void Core::Discard() {
  auto ready = [self = shared_from_this()](const error_code& error) {
    if (!error) return self->OnDiscardable();
    std::exchange(self->read_done, nullptr)(Broken(error));
  };
  socket.async_wait(tcp::socket::wait_read, BindTo(read_slot, std::move(ready)));
}

void Core::OnDiscardable() {
  // TCP drops the bytes without a copy (MSG_TRUNC in tcp(7)).
  const ssize_t n = ::recv(socket.native_handle(), nullptr, discard, MSG_TRUNC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Discard();
  auto done = std::exchange(read_done, nullptr);
  if (n >= 0) return done(static_cast<std::size_t>(n));
  done(Broken(error_code(errno, boost::system::system_category())));
}

void Core::Watch() {
  ++watch;
  WatchFor(tcp::socket::wait_read, watch_slot);
  WatchFor(tcp::socket::wait_error, error_slot);
}

void Core::WatchFor(tcp::socket::wait_type what, OperationSlot& slot) {
  auto done = [self = shared_from_this(), what, id = watch](const error_code& error) {
    if (!error && self->watch_done && self->watch == id) self->OnWatch(what);
  };
  socket.async_wait(what, BindTo(slot, std::move(done)));
}

void Core::OnWatch(tcp::socket::wait_type what) {
  const int fd = socket.native_handle();
  pollfd state{.fd = fd, .events = 0, .revents = 0};
  ::poll(&state, 1, 0);
  if ((state.revents & (POLLERR | POLLHUP)) != 0) return PeerIsGone(PeerClosed::kReset);
  if (what == tcp::socket::wait_error) return WatchFor(what, error_slot);  // urgent data: not ours
  const ssize_t peeked = Peek(fd);
  if (peeked == 0) return PeerIsGone(PeerClosed::kEndOfStream);
  if (peeked < 0 && errno != EAGAIN) return PeerIsGone(PeerClosed::kReset);
  if (peeked < 0) return WatchFor(what, watch_slot);
  // Data that nobody reads now would make the socket ready for ever: from here on only a reset,
  // which the other wait notices, ends the watch.
}

void Core::PeerIsGone(PeerClosed how) { std::exchange(watch_done, nullptr)(how); }

class TcpTransport final : public Transport {
 public:
  TcpTransport(AsioLoop& loop, int fd) : core_(std::make_shared<Core>(loop, fd)) {}
  ~TcpTransport() override { Close(); }

  base::Result<std::size_t> TryWrite(std::span<const std::byte> bytes) override {
    const int fd = core_->socket.native_handle();
    while (true) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
      if (errno != EINTR) return Broken(error_code(errno, boost::system::system_category()));
    }
  }

  void AsyncWrite(std::span<const std::byte> bytes, WriteDone done) override {
    core_->write_done = std::move(done);
    auto written = [core = core_](const error_code& error, std::size_t) {
      auto done = std::exchange(core->write_done, nullptr);
      done(error ? base::Status(Broken(error)) : base::Status());
    };
    asio::async_write(core_->socket, asio::buffer(bytes.data(), bytes.size()),
                      BindTo(core_->write_slot, std::move(written)));
  }

  void AsyncRead(std::span<std::byte> into, ReadDone done) override {
    core_->watch_done = nullptr;
    core_->read_done = std::move(done);
    auto read = [core = core_](const error_code& error, std::size_t bytes) {
      auto done = std::exchange(core->read_done, nullptr);
      if (!error || error == asio::error::eof) return done(error ? std::size_t{0} : bytes);
      done(Broken(error));
    };
    core_->socket.async_read_some(asio::buffer(into.data(), into.size()),
                                  BindTo(core_->read_slot, std::move(read)));
  }

  void AsyncDiscard(std::size_t bytes, ReadDone done) override {
    core_->watch_done = nullptr;
    core_->read_done = std::move(done);
    core_->discard = bytes;
    core_->Discard();
  }

  void WatchClose(CloseDone done) override {
    core_->watch_done = std::move(done);
    core_->Watch();
  }

  void ShutdownWrite() override {
    error_code ignored;  // the peer may have gone
    core_->socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void Close() override {
    core_->watch_done = nullptr;
    error_code ignored;
    core_->socket.close(ignored);
  }

  std::string peer() const override {
    error_code ignored;
    const std::string host = core_->endpoint.address().to_string(ignored);
    return host + ":" + std::to_string(core_->endpoint.port());
  }
  bool peer_is_loopback() const override {
    const auto address = core_->endpoint.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
    }
    return address.is_loopback();
  }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(AsioLoop& loop, int fd) {
  return std::make_unique<TcpTransport>(loop, fd);
}

}  // namespace muster::server::http
