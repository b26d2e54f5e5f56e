#include "muster/bench/response_parser.h"

#include <gtest/gtest.h>

namespace muster::bench {
namespace {

constexpr std::string_view kPlain =
    "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-LENGTH: 5\r\nConnection: keep-alive\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: y\r\n\r\n";

TEST(ResponseParser, ReadsAnAnswerWithALength) {
  ResponseParser parser;
  EXPECT_EQ(parser.Feed(kPlain), kPlain.size());
  EXPECT_FALSE(parser.reading());
  EXPECT_FALSE(parser.broken());
  EXPECT_EQ(parser.status(), 200);
  EXPECT_EQ(parser.body(), "hello");
  EXPECT_TRUE(parser.keep_alive());
}

TEST(ResponseParser, ReadsTheSameHoweverTheBytesAreCut) {
  for (const std::string_view text : {kPlain, kChunked}) {
    for (std::size_t a = 0; a <= text.size(); ++a) {
      for (std::size_t b = a; b <= text.size(); ++b) {
        ResponseParser parser;
        std::size_t taken = parser.Feed(text.substr(0, a));
        taken += parser.Feed(text.substr(a, b - a));
        taken += parser.Feed(text.substr(b));
        ASSERT_EQ(taken, text.size()) << a << ' ' << b;
        ASSERT_FALSE(parser.reading() || parser.broken()) << a << ' ' << b;
        ASSERT_EQ(parser.body(), "hello");
        ASSERT_EQ(parser.status(), text == kPlain ? 200 : 503);
      }
    }
  }
}

TEST(ResponseParser, ReadsByteByByte) {
  for (const std::string_view text : {kPlain, kChunked}) {
    ResponseParser parser;
    for (std::size_t i = 0; i < text.size(); ++i) {
      ASSERT_TRUE(parser.reading()) << i;
      ASSERT_EQ(parser.Feed(text.substr(i, 1)), 1u);
    }
    EXPECT_FALSE(parser.reading() || parser.broken());
    EXPECT_EQ(parser.body(), "hello");
  }
}

TEST(ResponseParser, LeavesTheNextAnswersBytes) {
  const std::string two = std::string(kPlain) + std::string(kChunked);
  ResponseParser parser;
  EXPECT_EQ(parser.Feed(two), kPlain.size());
  parser.Reset();
  EXPECT_EQ(parser.Feed(std::string_view(two).substr(kPlain.size())), kChunked.size());
  EXPECT_EQ(parser.status(), 503);
}

TEST(ResponseParser, SkipsInterimAnswers) {
  ResponseParser parser;
  parser.Feed("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(parser.reading());
  parser.Feed(kPlain);
  EXPECT_EQ(parser.status(), 200);
  EXPECT_EQ(parser.body(), "hello");
}

TEST(ResponseParser, TakesABodyWithoutLengthUntilTheConnectionCloses) {
  ResponseParser parser;
  parser.Feed("HTTP/1.1 200 OK\r\n\r\nhel");
  parser.Feed("lo");
  EXPECT_TRUE(parser.reading());
  parser.End();
  EXPECT_FALSE(parser.reading() || parser.broken());
  EXPECT_EQ(parser.body(), "hello");
  EXPECT_FALSE(parser.keep_alive());
}

TEST(ResponseParser, IsBrokenByAConnectionThatClosesWithinAnAnswer) {
  ResponseParser parser;
  parser.Feed(kPlain.substr(0, kPlain.size() - 1));
  EXPECT_TRUE(parser.begun());
  parser.End();
  EXPECT_TRUE(parser.broken());
}

TEST(ResponseParser, KnowsWhetherTheConnectionStays) {
  for (const auto& [head, stays] : {std::pair{"HTTP/1.1 204 x\r\n\r\n", true},
                                    {"HTTP/1.1 204 x\r\nConnection: Close\r\n\r\n", false},
                                    {"HTTP/1.0 204 x\r\n\r\n", false},
                                    {"HTTP/1.0 204 x\r\nConnection: Keep-Alive\r\n\r\n", true}}) {
    ResponseParser parser;
    parser.Feed(head);
    EXPECT_FALSE(parser.reading());
    EXPECT_EQ(parser.keep_alive(), stays) << head;
  }
}

TEST(ResponseParser, RefusesWhatIsNoAnswer) {
  for (const std::string_view text :
       {"SSH-2.0-OpenSSH_9\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    ResponseParser parser;
    parser.Feed(text);
    EXPECT_TRUE(parser.broken()) << text;
  }
  ResponseParser endless;
  endless.Feed(std::string(70'000, 'x'));
  EXPECT_TRUE(endless.broken());
}

TEST(ResponseParser, AllocatesNothingForTheSecondAnswer) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'b');
  ResponseParser parser;
  parser.Feed(answer);
  const char* const memory = parser.body().data();
  parser.Reset();
  parser.Feed(answer);
  EXPECT_EQ(parser.body().data(), memory);
}

}  // namespace
}  // namespace muster::bench
