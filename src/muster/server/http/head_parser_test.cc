#include "muster/server/http/head_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace muster::server::http {
namespace {

struct Parsed {
  bool complete = false;
  std::string error;  // the reason
  std::size_t size = 0;
  std::string summary;
  bool operator==(const Parsed&) const = default;
  friend void PrintTo(const Parsed& p, std::ostream* os) {
    *os << p.complete << " " << p.error << " " << p.size << " " << p.summary;
  }
};

std::string Summary(const HeadParser& head) {
  std::string text(MethodName(head.method()));
  text += ' ';
  text += head.path();
  for (const char* name : {"a", "b", "host", "x"}) {
    ((((text += '|') += name) += '=') += head.Header(name)) += ',';
    text += head.Query(name);
  }
  text += head.chunked() ? " chunked" : "";
  text += head.keep_alive() ? " keep" : "";
  return text + " " + std::to_string(head.content_length());
}

// Feeds `message` in pieces that end at `cuts`, each time in a buffer elsewhere.
Parsed ParseInPieces(const std::string& message, std::vector<std::size_t> cuts,
                     const HeadLimits& limits = {}) {
  HeadParser head(limits);
  cuts.push_back(message.size());
  std::vector<std::string> buffers;
  buffers.reserve(cuts.size());
  for (const std::size_t cut : cuts) {
    buffers.push_back(message.substr(0, cut));
    const auto done = head.Parse(buffers.back());
    if (!done) return {false, std::string(done.error().Reason()), 0, ""};
    if (*done) return {true, "", head.size(), Summary(head)};
  }
  return {};
}

Parsed Parse(const std::string& message, const HeadLimits& limits = {}) {
  return ParseInPieces(message, {}, limits);
}

std::string WithHost(std::string_view lines) {
  return "POST /p HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n";
}

TEST(HeadParser, ReadsMethodPathQueryAndFields) {
  std::string text =
      "POST /models/iris%2Dv2?a=1%202&b=x+y&flag HTTP/1.1\r\nHost: h:80\r\nA:  some\tvalue \r\n"
      "B:\r\nContent-Length: 12\r\n\r\nbody";
  HeadParser head({});
  ASSERT_TRUE(*head.Parse(text));
  EXPECT_EQ(head.method(), Method::kPost);
  EXPECT_EQ(head.path(), "/models/iris-v2");
  EXPECT_EQ(head.Query("a"), "1 2");
  EXPECT_EQ(head.Query("b"), "x y");
  EXPECT_EQ(head.Query("flag"), "");
  EXPECT_EQ(head.Header("HOST"), "h:80");
  EXPECT_EQ(head.Header("a"), "some\tvalue");
  EXPECT_EQ(head.Header("b"), "");
  EXPECT_EQ(head.content_length(), 12u);
  EXPECT_TRUE(head.keep_alive());
  EXPECT_EQ(text.substr(head.size()), "body");
}

TEST(HeadParser, ReadsTheNextMessageAfterReset) {
  HeadParser head({});
  std::string first = "HEAD /a?x=1 HTTP/1.0\r\nExpect: 100-continue\r\n\r\n";
  ASSERT_TRUE(*head.Parse(first));
  EXPECT_TRUE(head.http_1_0());
  EXPECT_FALSE(head.keep_alive());
  head.Reset();
  std::string second = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_TRUE(*head.Parse(second));
  EXPECT_EQ(head.method(), Method::kGet);
  EXPECT_EQ(head.path(), "/");
  EXPECT_EQ(head.Query("x"), "");
  EXPECT_FALSE(head.expects_continue());
  EXPECT_TRUE(head.keep_alive());
}

TEST(HeadParser, KnowsWhetherTheConnectionStays) {
  EXPECT_THAT(Parse(WithHost("Connection: foo , Close\r\n")).summary,
              testing::Not(testing::HasSubstr("keep")));
  EXPECT_THAT(Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").summary,
              testing::HasSubstr("keep"));
  EXPECT_THAT(Parse("GET / HTTP/1.0\r\n\r\n").summary, testing::Not(testing::HasSubstr("keep")));
}

struct Refused {
  const char* name;
  std::string message;
  std::string reason = "MALFORMED_REQUEST";
};

class HeadParserRefuses : public testing::TestWithParam<Refused> {};

TEST_P(HeadParserRefuses, InOnePieceAndInAnyTwo) {
  const Refused& c = GetParam();
  const Parsed expected{false, c.reason, 0, ""};
  EXPECT_EQ(Parse(c.message), expected);
  for (std::size_t cut = 0; cut < c.message.size(); ++cut) {
    EXPECT_EQ(ParseInPieces(c.message, {cut}), expected) << "cut at " << cut;
  }
}

std::vector<Refused> RefusedHeads() {
  using namespace std::string_literals;
  return {
      {"P1_LengthAndChunks", WithHost("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")},
      {"P1_ChunksAndLength", WithHost("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")},
      {"P1_TwoTransferEncodings",
       WithHost("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"P1_TransferEncodingList", WithHost("Transfer-Encoding: gzip, chunked\r\n")},
      {"P1_TransferEncodingTwiceInOne", WithHost("Transfer-Encoding: chunked, chunked\r\n")},
      {"P1_TransferEncodingX", WithHost("Transfer-Encoding: chunkedx\r\n")},
      {"P1_TransferEncodingEmpty", WithHost("Transfer-Encoding:\r\n")},
      {"P1_TransferEncodingOn10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"P2_TwoLengths", WithHost("Content-Length: 3\r\nContent-Length: 4\r\n")},
      {"P2_TwoEqualLengths", WithHost("Content-Length: 3\r\nContent-Length: 3\r\n")},
      {"P2_Plus", WithHost("Content-Length: +5\r\n")},
      {"P2_Hex", WithHost("Content-Length: 0x5\r\n")},
      {"P2_List", WithHost("Content-Length: 5,5\r\n")},
      {"P2_2To64", WithHost("Content-Length: 18446744073709551616\r\n")},
      {"P2_Negative", WithHost("Content-Length: -1\r\n")},
      {"P2_Empty", WithHost("Content-Length:\r\n")},
      {"P2_Inner", WithHost("Content-Length: 1 2\r\n")},
      {"P3_BareLfInRequestLine", "GET / HTTP/1.1\nHost: h\r\n\r\n"},
      {"P3_BareLfInField", WithHost("A: b\n")},
      {"P3_BareLfAtEnd", "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {"P3_BareCr", WithHost("A: b\rc\r\n")},
      {"P3_SpaceBeforeColon", WithHost("Content-Length : 5\r\n")},
      {"P3_Folded", WithHost("A: b\r\n c\r\n")},
      {"P3_FoldedByTab", WithHost("A: b\r\n\tc\r\n")},
      {"P3_NulInValue", WithHost("A: b\0c\r\n"s)},
      {"P3_NulInName", WithHost("A\0: b\r\n"s)},
      {"P3_NulInPath", "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"s},
      {"P3_EncodedNulInPath", "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"EncodedSlash", "GET /a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"HalfAnEscape", "GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"NoEscape", "GET /a%zz HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"EscapeInQuery", "GET /a?b=%0a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"NoColon", WithHost("Abc\r\n")},
      {"NoName", WithHost(": b\r\n")},
      {"NameWithSlash", WithHost("A/b: c\r\n")},
      {"Utf8InTarget", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"NoHost", "GET / HTTP/1.1\r\n\r\n"},
      {"TwoHosts", WithHost("Host: h\r\n")},
      {"HostWithPath", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"},
      {"TwoSpaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"TabInRequestLine", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"FourWords", "GET / x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"SpaceBehindVersion", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"},
      {"LowerCaseVersion", "GET / http/1.1\r\nHost: h\r\n\r\n"},
      {"RelativeTarget", "GET a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"OtherScheme", "GET ftp://h/a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"NoAuthority", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"UserInfo", "GET http://u@h/a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"AsteriskGet", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"Fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"P13_Connect", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"P13_Http09", "GET /\r\n"},
      {"P13_TlsHello", "\x16\x03\x01\x02\x00\x01\x00"s},
      {"P13_ProxyLine", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 8000\r\n"},
      {"P13_ProxyV2", "\r\n\r\n\x00\r\nQUIT\n"s},
      {"P13_Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP_VERSION"},
      {"P13_Http2Line", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP_VERSION"},
      {"P13_Http12", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", "HTTP_VERSION"},
      {"ThreeEmptyLines", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"OtherExpectation", WithHost("Expect: cake\r\n"), "EXPECTATION_FAILED"},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, HeadParserRefuses, testing::ValuesIn(RefusedHeads()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(HeadParser, RefusesWhatIsTooLargeBeforeItHasAllCome) {
  const HeadLimits limits{.max_url_bytes = 100, .max_header_bytes = 500, .max_fields = 10};
  const std::string url(200, 'a');
  EXPECT_EQ(Parse("GET /" + url, limits).error, "URL_TOO_LONG");
  EXPECT_EQ(Parse("GET /" + url.substr(0, 101) + " HTTP/1.1\r\n", limits).error, "URL_TOO_LONG");
  EXPECT_EQ(Parse(std::string(300, 'A'), limits).error, "URL_TOO_LONG");
  EXPECT_EQ(Parse(WithHost("A: " + std::string(600, 'b')), limits).error, "HEADER_TOO_LARGE");
  std::string many;
  for (int i = 0; i < 10; ++i) many += "A: b\r\n";
  EXPECT_EQ(Parse(WithHost(many), limits).error, "HEADER_TOO_LARGE");
  EXPECT_TRUE(Parse(WithHost(many.substr(6)), limits).complete);
}

TEST(HeadParser, SaysTheSameWhateverThePieces) {
  const HeadLimits limits{.max_url_bytes = 40, .max_header_bytes = 80, .max_fields = 4};
  const std::vector<std::string> messages = {
      "GET /?a=b%20c&x HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n",
      "\r\nPOST /a%41 HTTP/1.1\r\nhost:h\r\nContent-Length:  7 \r\nX:y\r\n\r\nGET ",
      "PUT http://h/a/b?b HTTP/1.0\r\nTransfer: x\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
      "OPTIONS http://h HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n",
      "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1",
      "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: "
      "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\r\n",
  };
  std::mt19937 random(1);
  for (const std::string& message : messages) {
    const Parsed whole = Parse(message, limits);
    std::vector<std::size_t> all;
    for (std::size_t cut = 0; cut < message.size(); ++cut) {
      EXPECT_EQ(ParseInPieces(message, {cut}, limits), whole) << message << " at " << cut;
      all.push_back(cut);
    }
    EXPECT_EQ(ParseInPieces(message, all, limits), whole) << message;
    for (int round = 0; round < 50; ++round) {
      std::vector<std::size_t> cuts;
      std::ranges::sample(all, std::back_inserter(cuts), 4, random);
      EXPECT_EQ(ParseInPieces(message, cuts, limits), whole) << message;
    }
  }
}

TEST(HeadParser, SurvivesRandomChangesOfAMessage) {
  const std::string good =
      "POST /a/b%20?x=%41 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nA: b\r\n\r\n";
  std::mt19937 random(2);
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = good;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    const Parsed whole = Parse(changed);
    EXPECT_EQ(ParseInPieces(changed, {random() % changed.size()}), whole) << changed;
  }
}

}  // namespace
}  // namespace muster::server::http
