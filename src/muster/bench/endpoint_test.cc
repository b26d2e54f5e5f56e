#include "muster/bench/endpoint.h"

#include <gmock/gmock.h>

namespace muster::bench {
namespace {

TEST(Url, IsTakenApart) {
  const Url url = ParseUrl("http://localhost:8000/predict/iris").value();
  EXPECT_EQ(url.host, "localhost");
  EXPECT_EQ(url.port, "8000");
  EXPECT_EQ(url.path, "/predict/iris");
  EXPECT_EQ(url.authority(), "localhost:8000");
}

TEST(Url, NeedsNeitherSchemeNorPortNorPath) {
  EXPECT_EQ(ParseUrl("example.org").value().authority(), "example.org:80");
  EXPECT_EQ(ParseUrl("h:1/").value().path, "");
  const Url six = ParseUrl("http://[::1]:9000/x").value();
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.authority(), "[::1]:9000");
}

TEST(Url, IsRefusedWhereItIsNone) {
  for (const auto* text : {"", "https://h:1", "http://", "h:", "h:0", "h:65536", "h:80x", "[::1",
                           "http://h:1/a b", ":80", "[::1]80", "h\r\nX: y"}) {
    EXPECT_THAT(ParseUrl(text).error().message, testing::HasSubstr("expected a URL such as"))
        << text;
  }
}

}  // namespace
}  // namespace muster::bench
