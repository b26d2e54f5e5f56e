#pragma once

#include <charconv>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/fake_loop.h"
#include "muster/server/http/ascii.h"
#include "muster/server/http/connection_set.h"
#include "muster/server/http/fake_transport.h"
#include "muster/telemetry/log.h"

namespace muster::server::http {

/// An answer taken apart.
struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (EqualsIgnoringCase(key, name)) return value;
    }
    return {};
  }
  bool closes() const { return Header("connection") == "close"; }
};

/// Takes the first answer off `bytes`; status 0 if there is no whole one. `head_only`: its body is
/// not sent (HEAD).
inline Answer TakeAnswer(std::string& bytes, bool head_only = false) {
  Answer answer;
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  std::string_view head(bytes.data(), end + 2);
  std::string_view line = head.substr(0, head.find("\r\n"));
  int status = 0;
  std::from_chars(line.data() + 9, line.data() + 12, status);
  head.remove_prefix(line.size() + 2);
  while (!head.empty()) {
    line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    const std::size_t colon = line.find(": ");
    answer.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  const std::string length = answer.Header("content-length");
  std::size_t size = 0;
  if (!head_only) std::from_chars(length.data(), length.data() + length.size(), size);
  if (bytes.size() < end + 4 + size) return answer;
  answer.body = bytes.substr(end + 4, size);
  bytes.erase(0, end + 4 + size);
  answer.status = status;
  return answer;
}

/// Routes for tests: /hello, /echo, /json, /json/maybe, /big, /items/{name}, /drop, /guarded and
/// /later, whose exchanges wait in `held`.
inline RouteTable TestRoutes(std::vector<ExchangePtr>& held) {
  RouteTable routes;
  routes.Add({.method = Method::kGet, .pattern = "/hello", .handler = [](ExchangePtr e) {
                e->out() += "hello";
                e->Send(200, "text/plain");
              }});
  const Handler echo = [](ExchangePtr e) {
    const auto body = e->body();
    for (std::size_t i = 0; i < kBodyPadding; ++i) {
      EXPECT_EQ(body.data()[body.size() + i], std::byte{0});
    }
    e->out().append(reinterpret_cast<const char*>(body.data()), body.size());
    e->Send(200, "application/octet-stream");
  };
  routes.Add({.method = Method::kPost, .pattern = "/echo", .handler = echo});
  routes.Add({.method = Method::kPost,
              .pattern = "/json",
              .handler = echo,
              .body_types = {"application/json"}});
  routes.Add({.method = Method::kPost,
              .pattern = "/json/maybe",
              .handler = echo,
              .body_types = {"application/json"},
              .type_optional = true});
  routes.Add({.method = Method::kPost,
              .pattern = "/guarded",
              .handler = echo,
              .admit = [](const Exchange& e) -> base::Status {
                if (e.header("authorization") == "Bearer good") return {};
                return base::Error{base::Code::kUnauthenticated, "no token"};
              }});
  routes.Add({.method = Method::kGet, .pattern = "/big", .handler = [](ExchangePtr e) {
                e->out().assign(1u << 20, 'b');
                e->Send(200, "application/octet-stream");
              }});
  routes.Add({.method = Method::kGet, .pattern = "/items/{name}", .handler = [](ExchangePtr e) {
                ((e->out() += e->path_parameter("name")) += '?') += e->query("q");
                e->Send(200, "text/plain");
              }});
  routes.Add({.method = Method::kGet, .pattern = "/drop", .handler = [](const ExchangePtr&) {}});
  routes.Add({.method = Method::kPost, .pattern = "/later", .handler = [&held](ExchangePtr e) {
                held.push_back(std::move(e));
              }});
  return routes;
}

/// Connections in memory, driven by hand: nothing sleeps, time passes when the test says so.
class ConnectionFixture : public testing::Test {
 protected:
  using Peer = FakeTransport::Peer;

  ConnectionFixture() { telemetry::SetLogLevel(telemetry::LogLevel::kError); }
  void TearDown() override {
    held_.clear();
    if (set_ == nullptr) return;
    set_->CloseAll();
    loop_.RunUntilIdle();
    EXPECT_EQ(context_->open_connections, 0u);
    EXPECT_EQ(context_->budget.used(), 0u);
  }

  /// A client. Set options_ before the first.
  Peer Connect() {
    if (set_ == nullptr) {
      context_ = std::make_unique<ServerContext>(options_, TestRoutes(held_), clock_);
      set_ = std::make_unique<ConnectionSet>(loop_, *context_);
    }
    Peer peer;
    ++context_->open_connections;
    set_->Add(FakeTransport::Make(loop_, peer));
    loop_.RunUntilIdle();
    return peer;
  }
  void Send(Peer& peer, std::string_view bytes) {
    peer.Send(bytes);
    loop_.RunUntilIdle();
  }
  /// Sends and takes the one answer there must be.
  Answer Ask(Peer& peer, std::string_view bytes) {
    Send(peer, bytes);
    return TakeOne(peer);
  }
  Answer TakeOne(Peer& peer) {
    std::string received = peer.TakeReceived();
    Answer answer = TakeAnswer(received);
    EXPECT_TRUE(received.empty()) << "more than one answer: " << received;
    return answer;
  }
  /// Lets time pass as a loop sees it: all timers on the way fire in order.
  void Pass(base::Duration time) {
    constexpr std::chrono::milliseconds kStep(50);
    for (base::Duration passed{0}; passed < time; passed += kStep) {
      clock_.Advance(kStep);
      loop_.RunUntilIdle();
    }
  }
  HttpStats Stats() const {
    HttpStats stats;
    set_->AddTo(stats);
    return stats;
  }
  bool Served() {
    Peer other = Connect();
    return Ask(other, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body == "hello";
  }

  HttpOptions options_;
  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  std::vector<ExchangePtr> held_;
  std::unique_ptr<ServerContext> context_;
  std::unique_ptr<ConnectionSet> set_;
};

/// A POST with a body of known length.
inline std::string Post(std::string_view path, std::string_view body, std::string_view more = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string Get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n";
}

}  // namespace muster::server::http
