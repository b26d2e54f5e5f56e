#include "muster/server/http/tcp_listener.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "muster/server/http/asio_loop.h"
#include "muster/server/http/internal/asio.h"
#include "muster/telemetry/log.h"

namespace muster::server::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// A storm of connections must not keep the loop from serving those it has.
constexpr int kAcceptsPerTurn = 64;
// How long not to accept where the process or the system has no descriptors or memory left.
constexpr std::chrono::milliseconds kPause(100);
constexpr std::chrono::seconds kLogPeriod(10);

class Listener final : public TcpListener {
 public:
  explicit Listener(AsioLoop& loop) : loop_(loop), acceptor_(loop.io()), spare_fd_(OpenSpare()) {}
  ~Listener() override {
    loop_.CancelTimer(pause_);
    if (spare_fd_ >= 0) ::close(spare_fd_);
  }

  base::Status Bind(const std::string& host, std::uint16_t port);
  std::uint16_t port() const override { return port_; }
  void Start(Events events) override {
    events_ = std::move(events);
    Wait();
  }
  void AcceptRestAndClose() override {
    if (!acceptor_.is_open()) return;
    while (Accept() == Accepted::kYes) {
    }
    loop_.CancelTimer(pause_);
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  enum class Accepted { kYes, kNone, kNoResources };

  static int OpenSpare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
  Accepted Accept();
  void Refuse();
  void OnReady();
  void Wait();

  AsioLoop& loop_;
  tcp::acceptor acceptor_;
  int spare_fd_;  // given up to accept, and close, a client when there are no others
  std::uint16_t port_ = 0;
  base::Loop::TimerId pause_ = 0;
  base::TimePoint quiet_until_ = base::TimePoint::min();
  Events events_;
};

base::Status Listener::Bind(const std::string& host, std::uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  error_code error;
  tcp::resolver resolver(loop_.io());
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return base::InvalidArgument("cannot listen on " + where + ": " + error.message(), "ADDRESS");
  }
  const tcp::endpoint endpoint = *found.begin();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error) {
    return base::Unavailable("cannot listen on " + where + ": " + error.message(), "ADDRESS");
  }
  ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

void Listener::Wait() {
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](const error_code& error) {
    if (!error) OnReady();
  });
}

void Listener::OnReady() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const Accepted accepted = Accept();
    if (accepted == Accepted::kYes) continue;
    if (accepted == Accepted::kNone) break;
    pause_ = loop_.At(loop_.Now() + kPause, [this] { Wait(); });
    return;
  }
  Wait();
}

Listener::Accepted Listener::Accept() {
  while (true) {
    const int fd =
        ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      events_.accepted(fd);
      return Accepted::kYes;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Accepted::kNone;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      Refuse();
      return Accepted::kNoResources;
    }
    // The fault of the one client that would have been accepted (accept(2)).
    const bool client = errno == ECONNABORTED || errno == EINTR || errno == EPROTO ||
                        errno == EPERM || errno == ENETDOWN || errno == EHOSTUNREACH ||
                        errno == ENETUNREACH || errno == EHOSTDOWN || errno == ENOPROTOOPT ||
                        errno == EOPNOTSUPP || errno == ENONET;
    if (!client) return Accepted::kNoResources;
  }
}

void Listener::Refuse() {
  if (const base::TimePoint now = loop_.Now(); now >= quiet_until_) {
    telemetry::Log(telemetry::LogLevel::kWarning, "no descriptors left, refusing connections");
    quiet_until_ = now + kLogPeriod;
  }
  if (spare_fd_ >= 0) ::close(spare_fd_);
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) break;
    events_.refused();
    ::close(fd);
  }
  spare_fd_ = OpenSpare();
}

}  // namespace

base::Result<std::unique_ptr<TcpListener>> TcpListener::Open(AsioLoop& loop,
                                                             const std::string& host,
                                                             std::uint16_t port) {
  auto listener = std::make_unique<Listener>(loop);
  MUSTER_RETURN_IF_ERROR(listener->Bind(host, port));
  return std::unique_ptr<TcpListener>(std::move(listener));
}

}  // namespace muster::server::http
