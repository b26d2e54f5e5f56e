#include "muster/server/codec/repository_json.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

std::string Read(std::string_view json) {
  const auto ready = ReadIndexRequest(PaddedBody(json).bytes(), {});
  if (!ready) return "refused: " + std::string(ready.error().Reason());
  return *ready ? "ready alone" : "all";
}

TEST(IndexRequest, AsksForAllUnlessItSaysOtherwise) {
  for (const char* json :
       {"", " \n", "{}", R"({"ready":false})", R"({"ready":null})", R"({"x":[1]})"}) {
    EXPECT_EQ(Read(json), "all") << json;
  }
  EXPECT_EQ(Read(R"({"ready":true})"), "ready alone");
  EXPECT_EQ(Read(R"({"x": {"ready": false}, "ready" : true , "y": 1})"), "ready alone");
}

TEST(IndexRequest, IsReadAsStrictlyAsAnyBody) {
  EXPECT_EQ(Read("[]"), "refused: TYPE");
  EXPECT_EQ(Read(R"({"ready":true)"), "refused: JSON");
  EXPECT_EQ(Read(R"({"ready":true}x)"), "refused: JSON");
  EXPECT_EQ(Read(R"({"ready":tru})"), "refused: JSON");
  EXPECT_EQ(Read(R"({"ready":true,"ready":true})"), "refused: DUPLICATE_KEY");
  EXPECT_EQ(Read(R"({"x":)" + std::string(101, '[') + std::string(101, ']') + "}"),
            "refused: TOO_DEEP");
  for (const char* value : {"1", "\"true\"", "[true]", "{\"a\":true}"}) {
    EXPECT_EQ(Read(std::string(R"({"ready":)") + value + "}"), "refused: FIELD") << value;
  }
}

}  // namespace
}  // namespace muster::server::codec
