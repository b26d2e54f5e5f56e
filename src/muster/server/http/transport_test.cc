#include "muster/server/http/transport.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "muster/base/clock.h"
#include "muster/base/fake_loop.h"
#include "muster/server/http/asio_loop.h"
#include "muster/server/http/fake_transport.h"
#include "muster/server/http/internal/asio.h"
#include "muster/server/http/tcp_transport.h"
#include "muster/server/http/transport_conformance.h"

namespace muster::server::http {
namespace {

class FakeUnderTest : public TransportUnderTest {
 public:
  FakeUnderTest() { transport_ = FakeTransport::Make(loop_, peer_); }
  ~FakeUnderTest() override {
    transport_.reset();
    loop_.RunUntilIdle();
  }
  Transport& transport() override { return *transport_; }
  void DestroyTransport() override { transport_.reset(); }
  void RunUntil(const std::function<bool()>& done) override {
    for (int turn = 0; turn < 10'000 && !done(); ++turn) loop_.RunTurn();
    ASSERT_TRUE(done()) << "nothing more happens";
  }
  void RunUntilIdle() override { loop_.RunUntilIdle(); }
  void PeerSend(std::string_view bytes) override { peer_.Send(bytes); }
  void PeerClosesWrite() override { peer_.CloseWrite(); }
  void PeerResets() override { peer_.Reset(); }
  std::string PeerReceives() override {
    std::string bytes = peer_.TakeReceived();
    peer_.SetWindow(2500);
    return bytes;
  }
  bool PeerSawEnd() override { return peer_.saw_end(); }
  void PeerStalls() override { peer_.SetWindow(2500); }

 private:
  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  FakeTransport::Peer peer_;
  std::unique_ptr<Transport> transport_;
};

/// A real connection over loopback; the peer is a plain socket.
class TcpUnderTest : public TransportUnderTest {
 public:
  TcpUnderTest() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    peer_ = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(peer_, reinterpret_cast<sockaddr*>(&address), size), 0);
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    ::close(listener);
    transport_ = MakeTcpTransport(loop_, fd);
  }
  ~TcpUnderTest() override {
    transport_.reset();
    RunUntilIdle();
    if (peer_ >= 0) ::close(peer_);
  }
  Transport& transport() override { return *transport_; }
  void DestroyTransport() override { transport_.reset(); }
  void RunUntil(const std::function<bool()>& done) override {
    loop_.io().restart();
    // Bounded, so that a failure shows and does not hang; the peer is looked at in between.
    for (int i = 0; i < 20'000 && !done(); ++i) {
      loop_.io().run_one_for(std::chrono::milliseconds(1));
      loop_.io().restart();
    }
    ASSERT_TRUE(done()) << "nothing more happens";
  }
  void RunUntilIdle() override {
    int ran = 0;
    while (loop_.io().run_one_for(std::chrono::milliseconds(20)) > 0) {
      loop_.io().restart();
      ASSERT_LT(++ran, 1000) << "spins";
    }
    loop_.io().restart();
  }
  void PeerSend(std::string_view bytes) override {
    EXPECT_EQ(::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void PeerClosesWrite() override { ::shutdown(peer_, SHUT_WR); }
  void PeerResets() override {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(peer_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(peer_);
    peer_ = -1;
  }
  std::string PeerReceives() override {
    std::string bytes(1 << 20, '\0');
    const ssize_t n = ::recv(peer_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }
  bool PeerSawEnd() override {
    char byte = 0;
    return ::recv(peer_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
  }
  void PeerStalls() override {}

 private:
  AsioLoop loop_{base::RealClock()};
  int peer_ = -1;
  std::unique_ptr<Transport> transport_;
};

INSTANTIATE_TEST_SUITE_P(
    Transports, TransportConformance,
    testing::Values(TransportMaker{"Fake", [] { return std::make_unique<FakeUnderTest>(); }},
                    TransportMaker{"Tcp", [] { return std::make_unique<TcpUnderTest>(); }}),
    [](const auto& param) { return param.param.name; });

TEST(TcpTransport, KnowsItsPeer) {
  TcpUnderTest t;
  EXPECT_TRUE(t.transport().peer().starts_with("127.0.0.1:"));
  EXPECT_TRUE(t.transport().peer_is_loopback());
}

}  // namespace
}  // namespace muster::server::http
