// What a connection refuses, and when it loses patience: rows P1 to P14 and P19 of the catalogue.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/server/http/connection_fixture.h"
#include "muster/server/http/gzip.h"

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string Chunked(std::string_view chunks, std::string_view more = "") {
  return "POST /echo HTTP/1.1\r\nHost: h\r\n" + std::string(more) +
         "Transfer-Encoding: chunked\r\n\r\n" + std::string(chunks);
}

struct Row {
  const char* name;
  std::string message;
  int status;
};

class ConnectionRefuses : public ConnectionFixture, public testing::WithParamInterface<Row> {};

TEST_P(ConnectionRefuses, WithOneAnswerAndClosesAndServesOthers) {
  options_.max_body_bytes = 1u << 20;
  Peer peer = Connect();
  const Answer answer = Ask(peer, GetParam().message);
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_TRUE(answer.closes());
  EXPECT_THAT(answer.body, HasSubstr("\"request_id\":\"req_"));
  EXPECT_TRUE(peer.saw_end());
  EXPECT_FALSE(peer.closed());  // the client can still read the answer
  Send(peer, "more of the same");
  EXPECT_EQ(peer.TakeReceived(), "");
  Pass(1s);
  EXPECT_TRUE(peer.closed());
  EXPECT_TRUE(Served());
}

std::vector<Row> Rows() {
  std::string many = "GET /hello HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 10'000; ++i) many += "A: b\r\n";
  std::string chunks;
  for (int i = 0; i < 70'000; ++i) chunks += "1\r\nx\r\n";
  return {
      {"P1_LengthAndChunks", Chunked("0\r\n\r\n", "Content-Length: 5\r\n"), 400},
      {"P2_Length", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello", 400},
      {"P3_SpaceBeforeColon", "GET /hello HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"P4_ChunkSize", Chunked("ffffffffffffffff\r\n"), 400},
      {"P4_ChunkSizeOverTheLimit", Chunked("fffffffffff\r\n"), 413},
      {"P4_Extension", Chunked("1;" + std::string(1u << 20, 'e')), 400},
      {"P4_Trailer", Chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
      {"P5_Chunks", Chunked(chunks), 400},
      {"P6_Length8GiB",
       "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8589934592\r\n\r\n0123456789", 413},
      {"P7_Expect",
       "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n",
       413},
      {"P11_Header", "GET /hello HTTP/1.1\r\nHost: h\r\nA: " + std::string(1u << 20, 'b'), 431},
      {"P11_Fields", many, 431},
      {"P11_Url", "GET /" + std::string(64u << 10, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"P13_Http09", "GET /hello\r\n", 400},
      {"P13_Tls", std::string("\x16\x03\x01\x00\xa5", 5), 400},
      {"P13_Proxy", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 8000\r\n", 400},
      {"P13_Connect", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"P13_Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
  };
}

INSTANTIATE_TEST_SUITE_P(Catalogue, ConnectionRefuses, testing::ValuesIn(Rows()),
                         [](const auto& param) { return std::string(param.param.name); });

class LimitsTest : public ConnectionFixture {
 protected:
  static std::string Compressed(Coding coding, std::string_view plain) {
    std::string out;
    Deflater().Compress(coding, plain, out);
    return out;
  }
};

TEST_F(LimitsTest, ADeclaredLengthReservesNothing) {
  Peer peer = Connect();
  Send(peer, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000000\r\n\r\n0123456789");
  EXPECT_LT(context_->budget.used(), 100'000u);
}

TEST_F(LimitsTest, ReadsALargeBodyInPieces) {
  Peer peer = Connect();
  peer.SetReadSize(10'000);
  const std::string body(3'000'000, 'x');
  EXPECT_EQ(Ask(peer, Post("/echo", body)).body, body);
  EXPECT_EQ(Ask(peer, Post("/echo", "small")).body, "small");
  EXPECT_EQ(context_->budget.used(), 0u);
}

TEST_F(LimitsTest, ChunksAndAFullHeaderFitInOneBuffer) {
  Peer peer = Connect();
  const std::string header = "A: " + std::string(20'000, 'a') + "\r\n";
  std::string chunks;
  for (int i = 0; i < 2000; ++i) chunks += "10\r\n0123456789abcdef\r\n";
  peer.SetReadSize(1000);
  EXPECT_EQ(Ask(peer, Chunked(chunks + "0\r\n\r\n", header)).body.size(), 32'000u);
}

TEST_F(LimitsTest, TheReceivingBudgetIsSharedByAllConnections) {
  options_.max_body_bytes = options_.max_receiving_bytes = 1u << 20;
  Peer first = Connect();
  Peer second = Connect();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
  Send(first, head + std::string(600'000, 'x'));
  Send(second, head + std::string(600'000, 'x'));
  const Answer refused = TakeOne(second);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Header("retry-after"), "1");
  EXPECT_EQ(refused.Header("retry-after-ms"), "1000");
  EXPECT_TRUE(refused.closes());
  Send(first, std::string(400'000, 'x'));
  EXPECT_EQ(TakeOne(first).status, 200);
}

TEST_F(LimitsTest, ContinuesWhenExpectedAndWithinTheLimits) {
  Peer peer = Connect();
  Send(peer, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(peer.TakeReceived(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Ask(peer, "hello").body, "hello");
}

TEST_F(LimitsTest, DoesNotContinueWhatIsHereAlready) {
  Peer peer = Connect();
  EXPECT_EQ(Ask(peer, Post("/echo", "hello", "Expect: 100-continue\r\n")).body, "hello");
}

TEST_F(LimitsTest, RefusesBeforeTheBodyAndKeepsTheConnection) {
  Peer peer = Connect();
  Send(peer, "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  const Answer refused = TakeOne(peer);
  EXPECT_EQ(refused.status, 404);
  EXPECT_FALSE(refused.closes());
  EXPECT_EQ(Ask(peer, std::string(1'000'000, 'x') + Get("/hello")).body, "hello");
  EXPECT_EQ(peer.discarded(), 1'000'000u) << "and reads none of it";
}

TEST_F(LimitsTest, RefusesBeforeTheBodyAndClosesForAHugeOne) {
  Peer peer = Connect();
  const Answer refused =
      Ask(peer, "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nx");
  EXPECT_EQ(refused.status, 404);
  EXPECT_TRUE(refused.closes());
  EXPECT_TRUE(peer.saw_end());
  peer.CloseWrite();
  loop_.RunUntilIdle();
  EXPECT_TRUE(peer.closed());
}

TEST_F(LimitsTest, AdmitRefusesBeforeTheBody) {
  Peer peer = Connect();
  Send(peer, "POST /guarded HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(TakeOne(peer).status, 401);
  Send(peer, "hello");
  EXPECT_EQ(Ask(peer, Post("/guarded", "hi", "Authorization: Bearer good\r\n")).body, "hi");
}

TEST_F(LimitsTest, ExpandsCompressedBodies) {
  Peer peer = Connect();
  const std::string text(5000, 'x');
  EXPECT_EQ(
      Ask(peer, Post("/echo", Compressed(Coding::kGzip, text), "Content-Encoding: gzip\r\n")).body,
      text);
  EXPECT_EQ(
      Ask(peer, Post("/echo", Compressed(Coding::kDeflate, text), "Content-Encoding: deflate\r\n"))
          .body,
      text);
  const std::string gzip = Compressed(Coding::kGzip, "hello");
  std::string chunks;
  for (const char c : gzip) (chunks += "1\r\n") += std::string(1, c) + "\r\n";
  EXPECT_EQ(Ask(peer, Chunked(chunks + "0\r\n\r\n", "Content-Encoding: gzip\r\n")).body, "hello");
}

TEST_F(LimitsTest, RefusesBadCompression) {  // P14
  options_.max_body_bytes = 1u << 20;
  const std::string bomb = Compressed(Coding::kGzip, std::string(10u << 20, '\0'));
  const std::string good = Compressed(Coding::kGzip, "hello");
  const auto status = [this](std::string_view body, std::string_view header) {
    Peer peer = Connect();
    return Ask(peer, Post("/echo", body, header)).status;
  };
  EXPECT_EQ(status(bomb, "Content-Encoding: gzip\r\n"), 413);
  EXPECT_EQ(status(good.substr(0, good.size() - 3), "Content-Encoding: gzip\r\n"), 400);
  EXPECT_EQ(status("hello", "Content-Encoding: gzip\r\n"), 400);
  EXPECT_EQ(status(good, "Content-Encoding: gzip, gzip\r\n"), 415);
  EXPECT_EQ(status(good, "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"), 415);
  EXPECT_EQ(status(good, "Content-Encoding: br\r\n"), 415);
  EXPECT_EQ(context_->budget.used(), 0u);
}

TEST_F(LimitsTest, CompressesLargeTextForThoseWhoWantIt) {
  Peer peer = Connect();
  const auto ask = [&](std::size_t size, std::string_view accept) {
    Send(peer, Post("/later", "x", accept));
    held_.back()->out().assign(size, 'a');
    held_.back()->Send(200, "application/json");
    return TakeOne(peer);
  };
  const Answer compressed = ask(5000, "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(compressed.Header("content-encoding"), "gzip");
  EXPECT_EQ(compressed.Header("vary"), "Accept-Encoding");
  EXPECT_LT(compressed.body.size(), 500u);
  EXPECT_EQ(ask(5000, "Accept-Encoding: gzip;q=0\r\n").body.size(), 5000u);
  EXPECT_EQ(ask(5000, "").body.size(), 5000u);
  EXPECT_EQ(ask(500, "Accept-Encoding: gzip\r\n").Header("content-encoding"), "");
  EXPECT_EQ(Ask(peer, Get("/big", "Accept-Encoding: gzip\r\n")).Header("content-encoding"), "");
}

TEST_F(LimitsTest, ClosesIdleConnections) {
  Peer peer = Connect();
  Ask(peer, Get("/hello"));
  Pass(59s);
  EXPECT_FALSE(peer.closed());
  Pass(2s);
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(peer.TakeReceived(), "");
}

TEST_F(LimitsTest, GivesAHeaderTenSecondsHoweverItTrickles) {  // P8
  Peer peer = Connect();
  Pass(30s);  // idle until now
  const std::string head = Get("/hello");
  for (int second = 0; second < 10; ++second) {
    Send(peer, head.substr(static_cast<std::size_t>(second), 1));
    EXPECT_EQ(peer.TakeReceived(), "") << second;
    Pass(1s);
  }
  Pass(300ms);
  const Answer answer = TakeOne(peer);
  EXPECT_EQ(answer.status, 408);
  EXPECT_TRUE(answer.closes());
  EXPECT_TRUE(Served());
}

TEST_F(LimitsTest, GivesABodyAMinimumRate) {  // P9
  Peer fast = Connect();
  Peer slow = Connect();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
  Send(fast, head);
  Send(slow, head + std::string(20'000, 'x'));  // a good start is good for ten seconds only
  for (int second = 0; second < 25; ++second) {
    Send(fast, std::string(2000, 'x'));
    Send(slow, std::string(100, 'x'));
    Pass(1s);
  }
  EXPECT_EQ(fast.TakeReceived(), "");
  EXPECT_EQ(TakeOne(slow).status, 408);
  Pass(1s);
  EXPECT_TRUE(slow.closed());
  Send(fast, std::string(50'000, 'x'));
  EXPECT_EQ(TakeOne(fast).status, 200);
}

TEST_F(LimitsTest, GivesAReaderThatStallsThirtySeconds) {  // P9
  Peer peer = Connect();
  peer.SetWindow(100'000);
  Send(peer, Get("/big") + Get("/hello"));
  for (int i = 0; i < 4; ++i) {
    Pass(25s);
    EXPECT_FALSE(peer.closed());
    peer.SetWindow(100'000);  // some progress
    loop_.RunUntilIdle();
  }
  Pass(31s);
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(Stats().client_gone, 1u);
}

TEST_F(LimitsTest, WritesALargeAnswerToASlowReader) {
  Peer peer = Connect();
  peer.SetWindow(1000);
  Send(peer, Get("/big") + Get("/hello"));
  std::string received;
  for (int i = 0; i < 2000 && !received.ends_with("hello"); ++i) {
    received += peer.TakeReceived();
    peer.SetWindow(1000);
    loop_.RunUntilIdle();
  }
  EXPECT_EQ(TakeAnswer(received).body.size(), 1u << 20);
  EXPECT_EQ(TakeAnswer(received).body, "hello");
}

TEST_F(LimitsTest, ASlowBodyIsRefusedWhileTheSocketMayStillWriteToIt) {
  Peer peer = Connect();
  Send(peer, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  Send(peer, std::string(9'000, 'x'));
  Pass(10'300ms);
  EXPECT_EQ(TakeOne(peer).status, 408);
  Send(peer, std::string(100'000, 'x'));
  EXPECT_EQ(peer.TakeReceived(), "");
  Pass(1s);
  EXPECT_TRUE(peer.closed());
}

TEST_F(LimitsTest, AnswersARequestThatTheClientCutsOff) {  // P19
  for (const std::string& message :
       {std::string("GET /he"),
        std::string("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe"),
        Chunked("5\r\nhe")}) {
    Peer peer = Connect();
    Send(peer, message);
    peer.CloseWrite();
    loop_.RunUntilIdle();
    EXPECT_EQ(TakeOne(peer).status, 400);
    EXPECT_TRUE(peer.closed());
  }
}

TEST_F(LimitsTest, AResetAtAnyPointFreesTheConnection) {  // P19
  const std::string message = Post("/echo", std::string(100, 'x')) + Get("/hello");
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    Peer peer = Connect();
    Send(peer, message.substr(0, cut));
    peer.Reset();
    loop_.RunUntilIdle();
    ASSERT_EQ(context_->open_connections, 0u) << cut;
  }
  Peer peer = Connect();
  peer.SetWindow(1000);
  Send(peer, Get("/big"));
  peer.Reset();
  loop_.RunUntilIdle();
  EXPECT_EQ(context_->open_connections, 0u);
}

}  // namespace
}  // namespace muster::server::http
