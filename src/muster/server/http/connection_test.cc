#include "muster/server/http/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muster/server/http/connection_fixture.h"

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ConnectionTest : public ConnectionFixture {};

TEST_F(ConnectionTest, AnswersWithLengthAndDate) {
  Peer peer = Connect();
  const Answer answer = Ask(peer, Get("/hello"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.Header("content-type"), "text/plain");
  EXPECT_EQ(answer.Header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(answer.Header("connection"), "");
  EXPECT_FALSE(peer.saw_end());
}

TEST_F(ConnectionTest, KeepsAliveUntilToldOtherwise) {
  Peer peer = Connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(peer, Post("/echo", "abc")).body, "abc");
  const Answer last = Ask(peer, Get("/hello", "Connection: close\r\n"));
  EXPECT_TRUE(last.closes());
  EXPECT_TRUE(peer.closed());
}

TEST_F(ConnectionTest, Http10ClosesUnlessAskedToStay) {
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").Header("connection"),
            "keep-alive");
  EXPECT_TRUE(Ask(peer, "GET /hello HTTP/1.0\r\n\r\n").closes());
  EXPECT_TRUE(peer.closed());
}

TEST_F(ConnectionTest, GivesPathParameterAndQuery) {
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, Get("/items/ir%69s?q=a%20b")).body, "iris?a b");
}

TEST_F(ConnectionTest, AnswersHeadWithoutBody) {
  Peer peer = Connect();
  Send(peer, "HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string received = peer.TakeReceived();
  const Answer answer = TakeAnswer(received, true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Header("content-length"), "5");
  EXPECT_EQ(received, "");
}

TEST_F(ConnectionTest, ErrorsHaveTheOneBodyOfAllRoutes) {
  Peer peer = Connect();
  const Answer answer = Ask(peer, Get("/none", "X-Request-Id: abc-1\r\n"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.Header("content-type"), "application/json");
  EXPECT_EQ(answer.Header("x-request-id"), "abc-1");
  const auto body = nlohmann::json::parse(answer.body);
  EXPECT_EQ(body.size(), 4u);
  EXPECT_EQ(body["error"], body["detail"]);
  EXPECT_EQ(body["code"], "ROUTE_NOT_FOUND");
  EXPECT_EQ(body["request_id"], "abc-1");
}

TEST_F(ConnectionTest, TrustsOnlyShortPrintableRequestIds) {
  Peer peer = Connect();
  for (const std::string& id : {std::string("a\tb"), std::string("\xff"), std::string(129, 'a')}) {
    const Answer answer = Ask(peer, Get("/none", "X-Request-Id: " + id + "\r\n"));
    EXPECT_THAT(answer.Header("x-request-id"), testing::MatchesRegex("req_[0-9a-f]{16}"));
  }
}

TEST_F(ConnectionTest, RefusesMethodsWithWhatIsAllowed) {
  Peer peer = Connect();
  const Answer answer = Ask(peer, Post("/hello", "x"));
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.Header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(answer.Header("connection"), "");
}

TEST_F(ConnectionTest, ClosesAfterAMethodThatIsNoneOfOurs) {  // P13
  for (const auto& [line, status] :
       {std::pair{"TRACE /hello", 405}, {"BREW /hello", 405}, {"BREW /none", 404}}) {
    Peer peer = Connect();
    const Answer answer = Ask(peer, std::string(line) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.Header("connection"), "close");
  }
}

TEST_F(ConnectionTest, AnswersOptions) {
  Peer peer = Connect();
  const Answer answer = Ask(peer, "OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.Header("allow"), "POST, OPTIONS");
  EXPECT_EQ(Ask(peer, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").status, 204);
  EXPECT_EQ(Ask(peer, "OPTIONS /none HTTP/1.1\r\nHost: h\r\n\r\n").status, 404);
}

TEST_F(ConnectionTest, AsksForTheRightMediaTypeOnlyOfBodies) {
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, Post("/json", "{}", "Content-Type: application/json\r\n")).body, "{}");
  EXPECT_EQ(Ask(peer, Post("/json", "{}", "Content-Type: text/plain\r\n")).status, 415);
  EXPECT_EQ(Ask(peer, Post("/json", "{}")).status, 415);
  EXPECT_EQ(Ask(peer, Post("/json", "")).status, 200);
  EXPECT_FALSE(peer.saw_end());
}

TEST_F(ConnectionTest, LetsBodiesWithoutAMediaTypeInWhereTheRouteSaysSo) {
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, Post("/json/maybe", "{}")).body, "{}");
  EXPECT_EQ(Ask(peer, Post("/json/maybe", "{}", "Content-Type: text/plain\r\n")).status, 415);
}

TEST_F(ConnectionTest, SaysTheSameHoweverTheBytesArrive) {
  const std::string message =
      Post("/echo", "hello", "X-Request-Id: a\r\n") +
      "POST /echo HTTP/1.1\r\nHost: h\r\nX-Request-Id: b\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
      Get("/items/x?q=1", "X-Request-Id: c\r\n") + Get("/bad name");
  const auto exchange = [&](std::size_t cut, std::size_t read_size) {
    Peer peer = Connect();
    peer.SetReadSize(read_size);
    Send(peer, message.substr(0, cut));
    Send(peer, message.substr(cut));
    std::string received = peer.TakeReceived();
    return received.substr(0, received.rfind("HTTP/1.1 400"));  // whose request id is random
  };
  const std::string whole = exchange(message.size(), 100'000);
  EXPECT_THAT(whole, HasSubstr("abcde"));
  for (std::size_t cut = 0; cut < message.size(); ++cut) {
    ASSERT_EQ(exchange(cut, 100'000), whole) << "cut at " << cut;
  }
  for (const std::size_t read_size : {1u, 2u, 3u, 7u, 50u}) {
    EXPECT_EQ(exchange(message.size(), read_size), whole) << "reads of " << read_size;
  }
}

TEST_F(ConnectionTest, AnswersAThousandPipelinedInOrderUpToTheBadOne) {  // P12
  Peer peer = Connect();
  std::string message;
  for (int i = 0; i < 500; ++i) message += Get("/items/" + std::to_string(i));
  message += "GET /items/x HTTP/1.1\r\nHost : h\r\n\r\n";
  for (int i = 0; i < 500; ++i) message += Get("/items/" + std::to_string(i));
  Send(peer, message);
  std::string received = peer.TakeReceived();
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(TakeAnswer(received).body, std::to_string(i) + "?");
  }
  const Answer bad = TakeAnswer(received);
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(bad.closes());
  EXPECT_EQ(received, "");
  EXPECT_TRUE(peer.saw_end());
  EXPECT_TRUE(Served());
}

TEST_F(ConnectionTest, ExecutesOneRequestAtATimeAndInOrder) {
  Peer peer = Connect();
  Send(peer, Post("/later", "1") + Post("/later", "2") + Get("/hello"));
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_EQ(peer.TakeReceived(), "");
  held_[0]->out() = "first";
  held_[0]->Send(200, "text/plain");
  ASSERT_EQ(held_.size(), 2u);
  EXPECT_EQ(TakeOne(peer).body, "first");
  held_[1]->Send(200, "text/plain");
  loop_.RunUntilIdle();
  std::string received = peer.TakeReceived();
  EXPECT_EQ(TakeAnswer(received).body, "");
  EXPECT_EQ(TakeAnswer(received).body, "hello");
}

TEST_F(ConnectionTest, KeepsWhatTheHandlerSeesWhileMoreArrives) {
  Peer peer = Connect();
  Send(peer, Post("/later?a=b", "body", "A: value\r\n"));
  for (int i = 0; i < 300; ++i) Send(peer, Get("/items/" + std::to_string(i)));
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_EQ(held_[0]->path(), "/later");
  EXPECT_EQ(held_[0]->header("a"), "value");
  EXPECT_EQ(held_[0]->query("a"), "b");
  EXPECT_EQ(held_[0]->body().size(), 4u);
  EXPECT_FALSE(peer.being_read());  // the rest waits where it is: at most 64 KiB are taken
  held_[0]->Send(200, "text/plain");
  loop_.RunUntilIdle();
  std::string received = peer.TakeReceived();
  TakeAnswer(received);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(TakeAnswer(received).body, std::to_string(i) + "?");
}

TEST_F(ConnectionTest, AResetCancelsTheExecutingRequest) {  // P20
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  const base::CancelToken cancelled = held_[0]->cancelled();
  EXPECT_FALSE(cancelled.stop_requested());
  peer.Reset();
  loop_.RunUntilIdle();
  EXPECT_TRUE(cancelled.stop_requested());
  EXPECT_EQ(context_->open_connections, 0u);
  EXPECT_EQ(held_[0]->body().size(), 1u);  // still there for whoever works on it
  held_[0]->Send(200, "text/plain");
  EXPECT_EQ(Stats().client_gone, 1u);
}

TEST_F(ConnectionTest, AResetIsSeenBehindAFullBuffer) {
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  Send(peer, std::string(100'000, 'G'));
  EXPECT_FALSE(peer.being_read());
  peer.Reset();
  loop_.RunUntilIdle();
  EXPECT_TRUE(held_[0]->cancelled().stop_requested());
}

TEST_F(ConnectionTest, AHalfCloseCancels) {
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  peer.CloseWrite();
  loop_.RunUntilIdle();
  EXPECT_TRUE(held_[0]->cancelled().stop_requested());
  held_[0]->SendError(base::Cancelled("gone"));
  EXPECT_EQ(TakeOne(peer).status, 499);
  EXPECT_TRUE(peer.closed());
}

TEST_F(ConnectionTest, AHalfCloseCancelsNothingWhereThatIsConfigured) {
  options_.cancel_on_half_close = false;
  Peer peer = Connect();
  Send(peer, Post("/later", "x") + Get("/hello"));
  peer.CloseWrite();
  loop_.RunUntilIdle();
  EXPECT_FALSE(held_[0]->cancelled().stop_requested());
  held_[0]->Send(200, "text/plain");
  std::string received = peer.TakeReceived();
  EXPECT_EQ(TakeAnswer(received).status, 200);
  EXPECT_EQ(TakeAnswer(received).body, "hello");
  EXPECT_TRUE(peer.closed());
}

TEST_F(ConnectionTest, CancellingMayAnswerAtOnce) {
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  const std::stop_callback answer(held_[0]->cancelled(),
                                  [&] { held_[0]->SendError(base::Cancelled("gone")); });
  peer.CloseWrite();
  loop_.RunUntilIdle();
  EXPECT_EQ(TakeOne(peer).status, 499);
  EXPECT_TRUE(peer.closed());
}

TEST_F(ConnectionTest, AnExchangeThatIsDroppedIsAnswered) {
  Peer peer = Connect();
  Send(peer, Get("/drop"));
  Pass(300ms);
  const Answer answer = TakeOne(peer);
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("NO_ANSWER"));
  EXPECT_EQ(Ask(peer, Get("/hello")).status, 200);
}

TEST_F(ConnectionTest, AnExchangeThatIsHeldIsLeftAlone) {
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  Pass(100s);
  EXPECT_EQ(peer.TakeReceived(), "");
  EXPECT_FALSE(peer.closed());
}

TEST_F(ConnectionTest, AHandlersHeadersCannotBreakTheAnswer) {
  Peer peer = Connect();
  Send(peer, Post("/later", "x"));
  held_[0]->AddHeader("X-Model", "a\r\nSet-Cookie: b");
  held_[0]->Send(200, "text/plain");
  const Answer answer = TakeOne(peer);
  EXPECT_EQ(answer.Header("x-model"), "a??Set-Cookie: b");
  EXPECT_EQ(answer.Header("set-cookie"), "");
}

TEST_F(ConnectionTest, CountsRequestsAndAnswersByClass) {
  Peer peer = Connect();
  Ask(peer, Get("/hello"));
  Ask(peer, Get("/none"));
  Ask(peer, "nonsense\r\n");
  const HttpStats stats = Stats();
  EXPECT_EQ(stats.requests, 2u);
  EXPECT_EQ(stats.responses_by_class[2], 1u);
  EXPECT_EQ(stats.responses_by_class[4], 2u);
  EXPECT_EQ(stats.protocol_errors, 1u);
}

class CorsTest : public ConnectionFixture {
 protected:
  static constexpr std::string_view kOrigin = "Origin: http://localhost:3000\r\n";
  Answer Preflight(Peer& peer, std::string_view origin) {
    return Ask(peer, "OPTIONS /json HTTP/1.1\r\nHost: h\r\nOrigin: " + std::string(origin) +
                         "\r\nAccess-Control-Request-Method: POST\r\n"
                         "Access-Control-Request-Headers: content-type\r\n\r\n");
  }
};

TEST_F(CorsTest, AllowsNobodyByDefault) {
  Peer peer = Connect();
  const Answer answer = Ask(peer, Get("/hello", kOrigin));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "");
  EXPECT_EQ(Preflight(peer, "http://localhost:3000").Header("access-control-allow-methods"), "");
}

TEST_F(CorsTest, AllowsConfiguredOrigins) {
  options_.cors_origins = {"http://localhost:3000"};
  Peer peer = Connect();
  const Answer answer = Ask(peer, Get("/hello", kOrigin));
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "http://localhost:3000");
  EXPECT_EQ(answer.Header("vary"), "Origin");
  EXPECT_EQ(Ask(peer, Get("/none", kOrigin)).Header("access-control-allow-origin"),
            "http://localhost:3000");
  const Answer preflight = Preflight(peer, "http://localhost:3000");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.Header("access-control-allow-methods"), "POST, OPTIONS");
  EXPECT_EQ(preflight.Header("access-control-allow-headers"), "content-type");
  const Answer other = Preflight(peer, "http://evil.example");
  EXPECT_EQ(other.Header("access-control-allow-origin"), "");
  EXPECT_EQ(other.Header("access-control-allow-methods"), "");
  EXPECT_EQ(other.Header("vary"), "Origin");
}

TEST_F(CorsTest, AStarAllowsEverybody) {
  options_.cors_origins = {"*"};
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, Get("/hello", kOrigin)).Header("access-control-allow-origin"), "*");
}

class DrainTest : public ConnectionFixture {
 protected:
  void Drain() {
    set_->Drain([this] { ++empty_; });
  }
  int empty_ = 0;
};

TEST_F(DrainTest, ClosesIdleConnectionsAndFinishesExecutingRequests) {
  Peer idle = Connect();
  Peer busy = Connect();
  Send(busy, Post("/later", "x"));
  Drain();
  loop_.RunUntilIdle();
  EXPECT_TRUE(idle.closed());
  EXPECT_FALSE(busy.closed());
  EXPECT_EQ(empty_, 0);
  held_[0]->Send(200, "text/plain");
  const Answer answer = TakeOne(busy);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.closes());
  busy.CloseWrite();
  loop_.RunUntilIdle();
  EXPECT_EQ(empty_, 1);
}

TEST_F(DrainTest, ServesWhatTheSocketsHeldWhenItBegan) {
  Peer peer = Connect();
  peer.Send(Get("/hello"));
  Drain();
  loop_.RunUntilIdle();
  const Answer answer = TakeOne(peer);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_TRUE(answer.closes());
}

TEST_F(DrainTest, RefusesHalfReadRequests) {
  Peer body = Connect();
  Peer head = Connect();
  Send(body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  Send(head, "POST /echo HTTP/1.1\r\nHo");
  Drain();
  loop_.RunUntilIdle();
  for (Peer* peer : {&body, &head}) {
    const Answer answer = TakeOne(*peer);
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(answer.Header("retry-after"), "1");
    EXPECT_TRUE(peer->saw_end());
  }
  Pass(1s);
  EXPECT_EQ(empty_, 1);
}

TEST_F(DrainTest, IsOverAtOnceWithoutConnections) {
  Peer peer = Connect();
  peer.CloseWrite();
  loop_.RunUntilIdle();
  Drain();
  loop_.RunUntilIdle();
  EXPECT_EQ(empty_, 1);
}

TEST_F(DrainTest, CloseAllAnswers503AndLeavesTheHandlerItsRequest) {
  Peer peer = Connect();
  Send(peer, Post("/later", "body"));
  Drain();
  loop_.RunUntilIdle();
  set_->CloseAll();
  loop_.RunUntilIdle();
  EXPECT_EQ(TakeOne(peer).status, 503);
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(empty_, 1);
  EXPECT_TRUE(held_[0]->cancelled().stop_requested());
  EXPECT_EQ(held_[0]->path(), "/later");
  EXPECT_EQ(held_[0]->body().size(), 4u);
  held_[0]->out() += "late";
  held_[0]->Send(200, "text/plain");
}

TEST_F(DrainTest, CloseAllHoldsForWhatDrainFindsAfterIt) {
  Peer early = Connect();
  set_->CloseAll();
  Peer late = Connect();
  Send(late, Post("/later", "x"));
  Drain();
  loop_.RunUntilIdle();
  EXPECT_TRUE(early.closed());
  EXPECT_EQ(TakeOne(late).status, 503);
  EXPECT_TRUE(late.closed());
  EXPECT_EQ(empty_, 1);
}

}  // namespace
}  // namespace muster::server::http
