// Our parser against an independent one: whatever we accept, Boost.Beast must accept with the same
// meaning. Where Beast accepts more (folded lines, equal lengths twice), we are stricter by intent.

#include <gtest/gtest.h>
#include <random>
#include <string>

// clang-format off
#include "muster/server/http/internal/asio.h"  // before Beast, which includes Asio itself
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
// clang-format on

#include "muster/server/http/body_reader.h"
#include "muster/server/http/head_parser.h"

namespace muster::server::http {
namespace {

namespace beast = boost::beast::http;

// Pieces that fit together often enough to be accepted, and are wrong often enough to matter.
const std::vector<std::string> kLines = {"Host: h",
                                         "Host: h",
                                         "Host: h",
                                         "Content-Length: 5",
                                         "Content-Length: 0",
                                         "Content-Length: 05",
                                         "Content-Length: 5 ",
                                         "Transfer-Encoding: chunked",
                                         "transfer-encoding:Chunked",
                                         "Connection: close",
                                         "Connection: keep-alive",
                                         "A: b",
                                         "A:b ",
                                         "A : b",
                                         " folded",
                                         "X: \x80",
                                         "Expect: 100-continue",
                                         "X: a\tb",
                                         "Content-Length: 5, 5",
                                         "Connection: x, Close"};
const std::vector<std::string> kTargets = {"/", "/a?b=c", "*",    "http://h/a",
                                           "a", "/a b",   "/%41", ""};
const std::vector<std::string> kBodies = {"",
                                          "hello",
                                          "5\r\nhello\r\n0\r\n\r\n",
                                          "0\r\n\r\n",
                                          "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: v\r\n\r\n",
                                          "5\nhello\r\n0\r\n\r\n"};

template <class T>
const T& Pick(const std::vector<T>& from, std::mt19937& random) {
  return from[random() % from.size()];
}

std::string RandomMessage(std::mt19937& random) {
  static const std::vector<std::string> kMethods = {"GET", "POST", "OPTIONS"};
  static const std::vector<std::string> kVersions = {"HTTP/1.1", "HTTP/1.1", "HTTP/1.0"};
  static const std::vector<std::string> kEnds = {"\r\n", "\r\n", "\r\n", "\r\n", "\r\n",
                                                 "\r\n", "\r\n", "\r\n", "\n"};
  std::string message = Pick(kMethods, random) + " " + Pick(kTargets, random) + " " +
                        Pick(kVersions, random) + "\r\n";
  for (unsigned i = 0; i < random() % 5; ++i) message += Pick(kLines, random) + Pick(kEnds, random);
  return message + "\r\n" + Pick(kBodies, random);
}

TEST(BeastDifferential, BeastAgreesWithWhatWeAccept) {
  std::mt19937 random(3);
  const HttpOptions options;
  ReceiveBudget budget(options.max_receiving_bytes);
  BodyReader body(options, budget);
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string ours = RandomMessage(random);
    const std::string theirs = ours;
    HeadParser head({});
    const auto done = head.Parse(ours);
    if (!done || !*done || !body.Start(head)) continue;
    std::string_view rest = std::string_view(ours).substr(head.size());
    if (!body.Feed(rest) || !body.done()) continue;
    ++accepted;

    beast::request_parser<beast::string_body> parser;
    parser.eager(true);
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(theirs), error);
    ASSERT_FALSE(error) << error.message() << "\n" << theirs;
    ASSERT_TRUE(parser.is_done()) << theirs;
    ASSERT_EQ(theirs.size() - used, rest.size()) << theirs;
    ASSERT_EQ(parser.get().body(),
              std::string(reinterpret_cast<const char*>(body.body().data()), body.body().size()));
    // Where both are asked for, we close.
    ASSERT_TRUE(parser.get().keep_alive() || !head.keep_alive()) << theirs;
    ASSERT_EQ(std::string(parser.get()["A"]), head.Header("a")) << theirs;
    ASSERT_EQ(std::string(parser.get()["Host"]), head.Header("host")) << theirs;
  }
  EXPECT_GT(accepted, 3000);
}

}  // namespace
}  // namespace muster::server::http
