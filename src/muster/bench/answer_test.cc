#include "muster/bench/answer.h"

#include <gmock/gmock.h>

namespace muster::bench {
namespace {

using testing::HasSubstr;

std::string Difference(std::string_view expected, std::string_view actual) {
  const base::Status same = SameValue(expected, actual, 1e-5);
  return same ? "" : same.error().message;
}

TEST(AnswerValue, IsTheMemberThatHoldsThePrediction) {
  EXPECT_EQ(AnswerValue(R"({"success":true,"result": [1, {"a":"]}"}] ,"time":3})"),
            R"([1, {"a":"]}"}])");
  EXPECT_EQ(AnswerValue(R"({"a\"b":"x,\\","predictions":[null,2]})"), "[null,2]");
  EXPECT_EQ(AnswerValue(R"({"model_name":"m","outputs":[{"data":[1.5]}]})"), R"([{"data":[1.5]}])");
  EXPECT_EQ(AnswerValue(R"({"prediction":7})"), "7");
}

TEST(AnswerValue, IsNotFoundDeeperOrInsideText) {
  EXPECT_EQ(AnswerValue(R"({"a":{"result":1},"b":"\"result\":2"})"), "");
  EXPECT_EQ(AnswerValue(R"([{"result":1}])"), "");
  EXPECT_EQ(AnswerValue("no JSON"), "");
  EXPECT_EQ(AnswerValue(R"({"predictions":[1,2)"), "");
  EXPECT_EQ(AnswerValue(""), "");
  EXPECT_EQ(AnswerValue(R"({"resu\)"), "");
}

TEST(SameValue, AllowsTheToleranceAndNoMore) {
  EXPECT_EQ(Difference("[1.000001,1000.001]", "[1.000009,1000.002]"), "");
  EXPECT_EQ(Difference("0.00001", "0"), "");
  EXPECT_THAT(Difference("[[1,2],[3,4.5]]", "[[1,2],[3,4.6]]"),
              HasSubstr("at [1][1]: expected 4.5, got 4.6"));
  EXPECT_EQ(Difference("1", "1.0"), "");
}

TEST(SameValue, ComparesEverythingElseExactly) {
  EXPECT_THAT(Difference(R"({"label":"cat"})", R"({"label":"dog"})"),
              HasSubstr(R"(at .label: expected "cat", got "dog")"));
  EXPECT_THAT(Difference("[1,2]", "[1]"), HasSubstr("expected 2 items, got 1"));
  EXPECT_THAT(Difference("null", "0"), HasSubstr("expected null, got 0"));
  EXPECT_THAT(Difference("true", "1"), HasSubstr("expected true, got 1"));
  EXPECT_THAT(Difference(R"({"a":1})", "{}"), HasSubstr("at .a: expected 1, got nothing"));
  EXPECT_THAT(Difference("{}", R"({"a":1})"), HasSubstr("at .a: expected nothing, got 1"));
  EXPECT_THAT(Difference("[1", "[2]"), HasSubstr("expected JSON, got `[1`"));
}

TEST(SameValue, PassesOverTimes) {
  EXPECT_EQ(Difference(R"([{"prediction":1,"latency_ms":2.5,"cold_start":true}])",
                       R"([{"prediction":1,"latency_ms":9,"cold_start":false}])"),
            "");
}

}  // namespace
}  // namespace muster::bench
