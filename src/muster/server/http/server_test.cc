#include "muster/server/http/server.h"

#include <arpa/inet.h>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "muster/base/mutex.h"
#include "muster/server/http/connection_fixture.h"

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;

/// A blocking client over a real socket; reads give up after ten seconds.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        received_(std::move(other.received_)) {}
  ~Client() { Close(); }

  bool connected() const { return connected_; }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void Reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    Close();
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// The next answer; status 0 if the server closes (or says nothing) instead.
  Answer Receive() {
    while (true) {
      Answer answer = TakeAnswer(received_);
      if (answer.status != 0 || !ReadMore()) return answer;
    }
  }
  Answer Ask(std::string_view message) {
    Send(message);
    return Receive();
  }
  /// True once the server has closed, with nothing more sent.
  bool AwaitEnd() {
    while (ReadMore()) {
    }
    return received_.empty() && ended_;
  }

 private:
  bool ReadMore() {
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    ended_ = n == 0 || (n < 0 && errno == ECONNRESET);
    if (n <= 0) return false;
    received_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  int fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string received_;
};

/// Exchanges that wait for the test, which runs on another thread than the loops.
class Waiting {
 public:
  void Add(ExchangePtr exchange) {
    const base::MutexLock lock(mutex_);
    exchanges_.push_back(std::move(exchange));
    added_.notify_all();
  }
  ExchangePtr Take() {
    base::MutexLock lock(mutex_);
    while (exchanges_.empty()) base::RealClock().WaitUntil(mutex_, added_, base::kNever);
    ExchangePtr exchange = std::move(exchanges_.back());
    exchanges_.pop_back();
    return exchange;
  }
  static void Finish(ExchangePtr exchange, std::string body) {
    base::Loop& loop = exchange->loop();
    loop.Post([exchange = std::move(exchange), body = std::move(body)] {
      exchange->out() = body;
      exchange->Send(200, "text/plain");
    });
  }

 private:
  base::Mutex mutex_;
  base::CondVar added_;
  std::vector<ExchangePtr> exchanges_ MUSTER_GUARDED_BY(mutex_);
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    telemetry::SetLogLevel(telemetry::LogLevel::kError);
    options_.port = 0;
  }
  void Start() {
    RouteTable routes = TestRoutes(unused_);
    routes.Add({.method = Method::kPost, .pattern = "/wait", .handler = [this](ExchangePtr e) {
                  waiting_.Add(std::move(e));
                }});
    auto server = HttpServer::Listen(options_, std::move(routes), base::RealClock());
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(server).value();
  }
  Client Connect() { return Client(server_->port()); }

  HttpOptions options_;
  std::vector<ExchangePtr> unused_;
  Waiting waiting_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerTest, ServesManyRequestsOnOneConnection) {
  Start();
  EXPECT_NE(server_->port(), 0);
  Client client = Connect();
  for (int i = 0; i < 100; ++i) {
    const std::string body = "body " + std::to_string(i);
    ASSERT_EQ(client.Ask(Post("/echo", body)).body, body);
  }
  const HttpStats stats = server_->stats();
  EXPECT_EQ(stats.connections_accepted, 1u);
  EXPECT_EQ(stats.connections_open, 1u);
  EXPECT_EQ(stats.requests, 100u);
}

TEST_F(ServerTest, AnswersAThousandPipelinedUpToTheBadOne) {
  Start();
  Client client = Connect();
  std::string message;
  for (int i = 0; i < 1000; ++i) {
    message +=
        i == 500 ? "GET /hello HTTP/1.1\nHost: h\r\n\r\n" : Get("/items/" + std::to_string(i));
  }
  client.Send(message);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.Receive().body, std::to_string(i) + "?");
  const Answer bad = client.Receive();
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(bad.closes());
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(ServerTest, AnswersFromAnotherThreadLater) {
  options_.threads = 2;
  Start();
  Client first = Connect();
  Client second = Connect();
  first.Send(Post("/wait", "1"));
  ExchangePtr one = waiting_.Take();
  second.Send(Post("/wait", "2"));
  ExchangePtr two = waiting_.Take();
  EXPECT_NE(&one->loop(), &two->loop());  // handed out in turn
  Waiting::Finish(std::move(two), "b");
  EXPECT_EQ(second.Receive().body, "b");
  Waiting::Finish(std::move(one), "a");
  EXPECT_EQ(first.Receive().body, "a");
  EXPECT_EQ(first.Ask(Get("/hello")).body, "hello");
}

TEST_F(ServerTest, AResetCancelsTheExecutingRequest) {
  Start();
  Client client = Connect();
  client.Send(Post("/wait", "x"));
  ExchangePtr exchange = waiting_.Take();
  std::promise<void> cancelled;
  const std::stop_callback note(exchange->cancelled(), [&] { cancelled.set_value(); });
  client.Reset();
  EXPECT_EQ(cancelled.get_future().wait_for(10s), std::future_status::ready);
  Waiting::Finish(std::move(exchange), "nobody reads this");
  EXPECT_EQ(Connect().Ask(Get("/hello")).body, "hello");
}

TEST_F(ServerTest, SurvivesClientsThatLeaveWhileItWrites) {
  Start();
  for (int i = 0; i < 20; ++i) {
    Client client = Connect();
    client.Send(Get("/big") + Get("/big") + Get("/big"));
    if (i % 2 == 0) client.Receive();
    client.Reset();
  }
  EXPECT_EQ(Connect().Ask(Get("/big")).body.size(), 1u << 20);
}

TEST_F(ServerTest, ClientsReadTheAnswerToARefusedBodyTheyAreStillSending) {
  options_.max_body_bytes = 1u << 20;
  Start();
  Client client = Connect();
  EXPECT_EQ(client.Ask(Post("/echo", std::string(8u << 20, 'x'))).status, 413);
  EXPECT_EQ(client.Ask(Get("/hello")).status, 200) << "the body was dropped";
  const Answer answer = client.Ask(Post("/echo", std::string(32u << 20, 'x')));
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(answer.closes());
}

TEST_F(ServerTest, RefusesConnectionsOverTheCap) {
  options_.max_connections = 50;
  Start();
  std::vector<Client> idle;
  for (int i = 0; i < 50; ++i) {
    idle.push_back(Connect());
    ASSERT_EQ(idle.back().Ask(Get("/hello")).status, 200);
  }
  for (int i = 0; i < 20; ++i) {
    Client refused = Connect();
    EXPECT_EQ(refused.Receive().status, 503);
    EXPECT_TRUE(refused.AwaitEnd());
  }
  EXPECT_EQ(server_->stats().connections_refused, 20u);
  EXPECT_EQ(idle[7].Ask(Get("/hello")).status, 200);
  idle[3].Close();
  // The server hears of it when it gets to it.
  while (Connect().Ask(Get("/hello")).status != 200) std::this_thread::yield();
}

TEST_F(ServerTest, LivesThroughALackOfDescriptors) {  // P10
  Start();
  Client served = Connect();
  ASSERT_EQ(served.Ask(Get("/hello")).status, 200);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // Client and server are one process: the client's socket is the last descriptor there is.
  const int last = ::dup(0);
  ::close(last);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(last) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    Client refused = Connect();
    ASSERT_TRUE(refused.connected());
    EXPECT_TRUE(refused.AwaitEnd());
    EXPECT_EQ(server_->stats().connections_refused, i);
    EXPECT_EQ(served.Ask(Get("/hello")).status, 200);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(Connect().Ask(Get("/hello")).status, 200);  // accepting goes on after a pause
}

TEST_F(ServerTest, DrainFinishesWhatItHasAndClosesTheRest) {
  Start();
  Client idle = Connect();
  ASSERT_EQ(idle.Ask(Get("/hello")).status, 200);
  Client busy = Connect();
  busy.Send(Post("/wait", "x"));
  ExchangePtr exchange = waiting_.Take();
  Client half = Connect();
  half.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(half.Receive().status, 100);
  std::jthread drain([&] { server_->Drain(20s); });
  EXPECT_TRUE(idle.AwaitEnd());
  EXPECT_EQ(half.Receive().status, 503);
  half.Close();
  Waiting::Finish(std::move(exchange), "done");
  const Answer answer = busy.Receive();
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.closes());
  busy.Close();
  drain.join();
  EXPECT_FALSE(Connect().connected());
  EXPECT_EQ(server_->stats().connections_open, 0u);
}

TEST_F(ServerTest, DrainServesTheBacklog) {
  Start();
  for (int round = 0; round < 20; ++round) {
    std::vector<Client> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(Connect());
      clients.back().Send(Get("/hello"));
    }
    std::jthread drain([&] { server_->Drain(20s); });
    for (Client& client : clients) {
      const Answer answer = client.Receive();
      ASSERT_EQ(answer.body, "hello");
      client.Close();
    }
    drain.join();
    Start();
  }
}

TEST_F(ServerTest, ASecondDrainShortensTheLimit) {
  Start();
  Client busy = Connect();
  busy.Send(Post("/wait", "x"));
  const ExchangePtr exchange = waiting_.Take();
  std::jthread first([&] { server_->Drain(1h); });
  std::jthread second([&] { server_->Drain(1ms); });
  const Answer answer = busy.Receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(busy.AwaitEnd());
  first.join();
  second.join();
  EXPECT_TRUE(exchange->cancelled().stop_requested());
}

TEST_F(ServerTest, ServesManyClientsOnSeveralThreads) {
  options_.threads = 4;
  Start();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      for (int c = 0; c < 10; ++c) {
        Client client = Connect();
        for (int i = 0; i < 20; ++i) {
          const std::string body = std::to_string(t * 1000 + i);
          ASSERT_EQ(client.Ask(Post("/echo", body)).body, body);
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(server_->stats().requests, 1600u);
}

TEST_F(ServerTest, NamesHostAndPortWhenItCannotListen) {
  Start();
  HttpOptions taken = options_;
  taken.port = server_->port();
  const auto second = HttpServer::Listen(taken, RouteTable(), base::RealClock());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::Code::kUnavailable);
  EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(taken.port)),
            std::string::npos);
  HttpOptions bad = options_;
  bad.host = "256.1.1.1";
  EXPECT_EQ(HttpServer::Listen(bad, RouteTable(), base::RealClock()).error().code,
            base::Code::kInvalidArgument);
}

TEST(HttpOptions, AreChecked) {
  EXPECT_TRUE(HttpOptions().Validate());
  const auto refused = [](auto change) {
    HttpOptions options;
    change(options);
    return !options.Validate();
  };
  EXPECT_TRUE(refused([](auto& o) { o.host = ""; }));
  EXPECT_TRUE(refused([](auto& o) { o.threads = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_header_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_url_bytes = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_header_fields = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_connections = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.max_receiving_bytes = 1; }));
  EXPECT_TRUE(refused([](auto& o) { o.idle_timeout = 0ms; }));
}

}  // namespace
}  // namespace muster::server::http
