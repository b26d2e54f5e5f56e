#include "muster/server/http/negotiation.h"

#include <array>
#include <gtest/gtest.h>

namespace muster::server::http {
namespace {

TEST(Negotiation, ChoosesTheCodingOfHighestQuality) {
  EXPECT_EQ(NegotiateCoding(""), Coding::kIdentity);
  EXPECT_EQ(NegotiateCoding("gzip"), Coding::kGzip);
  EXPECT_EQ(NegotiateCoding("GZIP ;q=0.5"), Coding::kGzip);
  EXPECT_EQ(NegotiateCoding("br, gzip, deflate"), Coding::kGzip);
  EXPECT_EQ(NegotiateCoding("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(NegotiateCoding("gzip;q=0.000, *;q=0"), Coding::kIdentity);
  EXPECT_EQ(NegotiateCoding("*"), Coding::kGzip);
  EXPECT_EQ(NegotiateCoding("gzip;q=0.2, deflate;q=0.8"), Coding::kDeflate);
  EXPECT_EQ(NegotiateCoding("identity, gzip;q=0.5"), Coding::kIdentity);
  EXPECT_EQ(NegotiateCoding("identity;q=0.5, gzip;q=0.5"), Coding::kGzip);
}

TEST(Negotiation, IgnoresMalformedParts) {
  for (const char* value : {"gzip;q=2", "gzip;q=", "gzip;q=0.1234", "gzip;q=1.5", "gzip;q=-1",
                            "gzip;q=a", "gz", ",,,", ";q=1", "br"}) {
    EXPECT_EQ(NegotiateCoding(value), Coding::kIdentity) << value;
  }
}

TEST(Negotiation, KnowsTheCodingsOfRequests) {
  EXPECT_EQ(*ContentCoding(""), Coding::kIdentity);
  EXPECT_EQ(*ContentCoding("Identity"), Coding::kIdentity);
  EXPECT_EQ(*ContentCoding("x-gzip"), Coding::kGzip);
  EXPECT_EQ(*ContentCoding("deflate"), Coding::kDeflate);
  for (const char* value : {"br", "gzip, gzip", "gzip,", "*"}) {
    EXPECT_EQ(ContentCoding(value).error().Reason(), "UNSUPPORTED_MEDIA_TYPE") << value;
  }
}

TEST(Negotiation, AsksForATypeByItsNameAlone) {
  const auto raw = [](std::string_view accept) {
    return AsksFor(accept, "application/octet-stream", "application/json");
  };
  for (const char* accept : {"application/octet-stream", "Application/Octet-Stream;q=0.1",
                             "text/html, */*;q=0.1, "
                             "application/octet-stream;q=0.5",
                             "application/octet-stream, */*",
                             "application/json;q=0.2, */*, application/octet-stream;q=0.5"}) {
    EXPECT_TRUE(raw(accept)) << accept;
  }
  for (const char* accept :
       {"", "*/*", "application/*", "application/json", "application/octet-stream;q=0",
        "application/octet-stream;q=x", "application/octet-stream;q=0.5, application/json",
        "application/octet-stream;q=0.5, */*",
        "*/*;q=0.1, application/*;q=0.9, "
        "application/octet-stream;q=0.5"}) {
    EXPECT_FALSE(raw(accept)) << accept;
  }
}

TEST(Negotiation, ComparesMediaTypesWithoutParameters) {
  const std::array<std::string, 2> types = {"application/json", "application/octet-stream"};
  EXPECT_TRUE(IsMediaType("Application/JSON ; charset=utf-8", types));
  EXPECT_TRUE(IsMediaType("application/octet-stream", types));
  EXPECT_FALSE(IsMediaType("application/jsonx", types));
  EXPECT_FALSE(IsMediaType("", types));
}

}  // namespace
}  // namespace muster::server::http
