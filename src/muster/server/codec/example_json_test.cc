#include "muster/server/codec/example_json.h"

#include <gmock/gmock.h>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

std::string Read(std::string_view json) {
  const auto input = ReadExampleInput(PaddedBody(json).bytes(), {});
  return input ? *input : "refused: " + std::string(input.error().reason);
}

TEST(ExampleInput, IsTheValueAsItWasWritten) {
  EXPECT_EQ(Read(R"({"input": 7 })"), "7");
  EXPECT_EQ(Read(R"({"input":-1.50})"), "-1.50");
  EXPECT_EQ(Read(R"({"input" : "a\"b" , "x":1})"), R"("a\"b")");
  EXPECT_EQ(Read(R"({"x":[1],"input": [1, [2, 3]] ,"y":{}})"), "[1, [2, 3]]");
  EXPECT_EQ(Read(R"({"input":{"a":{}}})"), R"({"a":{}})");
  EXPECT_EQ(Read(R"({"input":[]})"), "[]");
  EXPECT_EQ(Read(R"({"input":true,"y":false})"), "true");
  EXPECT_EQ(Read(R"({"input":null})"), "null");
}

TEST(ExampleInput, Is42WhereThereIsNone) {
  for (const char* json : {"", " \n", "{}", R"({"inputs":5})"}) EXPECT_EQ(Read(json), "42") << json;
}

TEST(ExampleInput, IsReadAsStrictlyAsAnyBody) {
  EXPECT_EQ(Read("[]"), "refused: TYPE");
  EXPECT_EQ(Read(R"({"input":1}x)"), "refused: JSON");
  EXPECT_EQ(Read(R"({"input":NaN})"), "refused: JSON");
  EXPECT_EQ(Read(R"({"input":1,"input":2})"), "refused: DUPLICATE_KEY");
  EXPECT_EQ(Read(R"({"input":1e999})"), "refused: OUT_OF_RANGE");
  EXPECT_EQ(Read("{\"input\":" + std::string(101, '[') + std::string(101, ']') + "}"),
            "refused: TOO_DEEP");
}

}  // namespace
}  // namespace muster::server::codec
