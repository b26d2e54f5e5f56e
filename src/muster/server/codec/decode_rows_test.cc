// Rows of data: element kinds and ranges (J4–J6), shapes (T2–T4), named inputs and features.
#include <cmath>
#include <gmock/gmock.h>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using tensor::DType;
using tensor::Shape;
using testing::HasSubstr;
using testing::StartsWith;

struct Element {
  DType dtype;
  const char* json;
  const char* outcome;  ///< "" for accepted, else the reason
};

std::string Outcome(const Codec& codec, const std::string& json) {
  const auto body = codec.Decode(json);
  return body ? "" : std::string(body.error().reason);
}

TEST(DecodeElement, TakesItsOwnKindAndRangeOnly) {
  const std::vector<Element> table = {
      {DType::kUint8, "255", ""},
      {DType::kUint8, "300", "OUT_OF_RANGE"},
      {DType::kUint8, "-1", "OUT_OF_RANGE"},
      {DType::kUint8, "1.5", "TYPE"},
      {DType::kUint8, "1e1", "TYPE"},
      {DType::kUint8, "\"1\"", "TYPE"},
      {DType::kInt8, "-128", ""},
      {DType::kInt8, "128", "OUT_OF_RANGE"},
      {DType::kUint16, "65535", ""},
      {DType::kUint16, "65536", "OUT_OF_RANGE"},
      {DType::kInt16, "-32768", ""},
      {DType::kInt16, "32768", "OUT_OF_RANGE"},
      {DType::kUint32, "4294967295", ""},
      {DType::kUint32, "4294967296", "OUT_OF_RANGE"},
      {DType::kInt32, "-2147483648", ""},
      {DType::kInt32, "2147483648", "OUT_OF_RANGE"},
      {DType::kInt64, "9223372036854775807", ""},
      {DType::kInt64, "9223372036854775808", "OUT_OF_RANGE"},
      {DType::kInt64, "-9223372036854775808", ""},
      {DType::kInt64, "-9223372036854775809", "OUT_OF_RANGE"},
      {DType::kInt64, "18446744073709551616", "OUT_OF_RANGE"},
      {DType::kInt64, "1.5", "TYPE"},
      {DType::kInt64, "1.0", "TYPE"},
      {DType::kInt64, "true", "TYPE"},
      {DType::kInt64, "null", "TYPE"},
      {DType::kInt64, "\"1\"", "TYPE"},
      {DType::kInt64, "{}", "MISSING_INPUT"},
      {DType::kInt64, "01", "JSON"},
      {DType::kInt64, "1x", "JSON"},
      {DType::kUint64, "18446744073709551615", ""},
      {DType::kUint64, "18446744073709551616", "OUT_OF_RANGE"},
      {DType::kUint64, "99999999999999999999999999", "OUT_OF_RANGE"},
      {DType::kFp32, "1", ""},
      {DType::kFp32, "-0", ""},
      {DType::kFp32, "1e-999", ""},
      {DType::kFp32, "3.4028235e38", ""},
      {DType::kFp32, "3.5e38", "OUT_OF_RANGE"},
      {DType::kFp32, "-1e39", "OUT_OF_RANGE"},
      {DType::kFp32, "1e999", "OUT_OF_RANGE"},
      {DType::kFp32, "true", "TYPE"},
      {DType::kFp32, "null", "TYPE"},
      {DType::kFp32, "\"1.5\"", "TYPE"},
      {DType::kFp32, "NaN", "JSON"},
      {DType::kFp32, "18446744073709551616", ""},
      {DType::kFp64, "1e308", ""},
      {DType::kFp64, "1e309", "OUT_OF_RANGE"},
      {DType::kBool, "true", ""},
      {DType::kBool, "false", ""},
      {DType::kBool, "1", "TYPE"},
      {DType::kBool, "\"true\"", "TYPE"},
      {DType::kBool, "tru", "JSON"},
      {DType::kBytes, "\"text\"", ""},
      {DType::kBytes, "\"\"", ""},
      {DType::kBytes, R"("\u0000")", ""},
      {DType::kBytes, "1", "TYPE"},
      {DType::kBytes, "null", "TYPE"},
      {DType::kBytes, R"("\ud800")", "JSON"},
      {DType::kFp16, "1", "TYPE"},
      {DType::kBf16, "1", "TYPE"},
  };
  for (const Element& e : table) {
    const Codec codec(OneInput(e.dtype, {1}));
    const std::string where = std::string(tensor::DTypeName(e.dtype)) + " " + e.json;
    EXPECT_EQ(Outcome(codec, "{\"inputs\":" + std::string(e.json) + "}"), e.outcome) << where;
    if (std::string_view(e.json) == "{}") continue;
    EXPECT_EQ(Outcome(codec, "{\"inputs\":[" + std::string(e.json) + "]}"), e.outcome) << where;
  }
}

template <class T>
std::vector<T> DecodedAs(DType dtype, std::vector<std::int64_t> row_dims, const std::string& json) {
  const auto body = Codec(OneInput(dtype, std::move(row_dims))).Decode("{\"inputs\":" + json + "}");
  if (!body) {
    ADD_FAILURE() << body.error().ToString();
    return {};
  }
  return Values<T>(body->calls[0].inputs[0]);
}

TEST(DecodeElement, KeepsValues) {
  EXPECT_EQ(DecodedAs<std::uint8_t>(DType::kUint8, {2}, "[0,255]"),
            (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(DecodedAs<std::int64_t>(DType::kInt64, {1}, "-9223372036854775808")[0], INT64_MIN);
  EXPECT_EQ(DecodedAs<std::uint64_t>(DType::kUint64, {1}, "18446744073709551615")[0], UINT64_MAX);
  EXPECT_EQ(DecodedAs<double>(DType::kFp64, {1}, "0.1")[0], 0.1);
  EXPECT_EQ(DecodedAs<double>(DType::kFp64, {1}, "2.2250738585072011e-308")[0],
            2.2250738585072011e-308);
  EXPECT_TRUE(DecodedAs<bool>(DType::kBool, {1}, "true")[0]);
  EXPECT_TRUE(std::signbit(DecodedAs<float>(DType::kFp32, {1}, "-0")[0]));
  EXPECT_TRUE(std::signbit(DecodedAs<float>(DType::kFp32, {1}, "-0.0")[0]));
  EXPECT_EQ(DecodedAs<float>(DType::kFp32, {1}, "1e-999")[0], 0.0f);
  EXPECT_EQ(DecodedAs<std::string>(DType::kBytes, {2}, R"(["a\u0000b","\ud83d\ude00 ä"])"),
            (std::vector<std::string>{std::string("a\0b", 3), "😀 ä"}));
}

TEST(DecodeElement, RoundsToFloatByWayOfDoubleAsNumPyDoes) {
  EXPECT_EQ(DecodedAs<float>(DType::kFp32, {1}, "1.00000017881393432617187499")[0],
            static_cast<float>(1.00000017881393432617187499));
}

struct ShapeCase {
  std::vector<std::int64_t> row_dims;
  const char* json;
  const char* outcome;  ///< the tensor's shape, or the reason of the refusal
};

TEST(DecodeRow, FitsTheModelsShapeExactlyOrFlat) {
  const std::vector<ShapeCase> table = {
      {{}, "7", "[1]"},
      {{}, "[7]", "[1]"},
      {{}, "[7,8]", "SHAPE"},
      {{}, "[]", "SHAPE"},
      {{1}, "7", "[1, 1]"},
      {{1}, "[7]", "[1, 1]"},
      {{1}, "[[7]]", "TYPE"},
      {{1}, "[]", "SHAPE"},
      {{3}, "[1,2,3]", "[1, 3]"},
      {{3}, "[1,2]", "SHAPE"},
      {{3}, "[1,2,3,4]", "SHAPE"},
      {{3}, "7", "SHAPE"},
      {{3}, "true", "TYPE"},
      {{3}, "null", "TYPE"},
      {{3}, "\"x\"", "TYPE"},
      {{3}, "[1,[2],3]", "TYPE"},
      {{3}, "[1,null,3]", "TYPE"},
      {{3}, "[1,{},3]", "TYPE"},
      {{-1}, "[1,2]", "[1, 2]"},
      {{-1}, "7", "[1, 1]"},
      {{-1}, "[]", "SHAPE"},
      {{2, 2}, "[[1,2],[3,4]]", "[1, 2, 2]"},
      {{2, 2}, "[1,2,3,4]", "[1, 2, 2]"},
      {{2, 2}, "[1,2,3]", "SHAPE"},
      {{2, 2}, "[[1,2],[3]]", "SHAPE"},
      {{2, 2}, "[[1,2],[3,4,5]]", "SHAPE"},
      {{2, 2}, "[[1,2]]", "SHAPE"},
      {{2, 2}, "[[1,2],[3,4],[5,6]]", "SHAPE"},
      {{2, 2}, "[[1,2],3]", "SHAPE"},
      {{2, 2}, "[1,[2],3,4]", "TYPE"},
      {{2, 2}, "7", "SHAPE"},
      {{2, 2}, "[]", "SHAPE"},
      {{2, 2}, "[[],[]]", "SHAPE"},
      {{1, 8, 1}, "[1,2,3,4,5,6,7,8]", "[1, 1, 8, 1]"},
      {{1, 2, 1}, "[[[1],[2]]]", "[1, 1, 2, 1]"},
      {{1, 1}, "7", "SHAPE"},
      {{-1, 2}, "[[1,2],[3,4],[5,6]]", "[1, 3, 2]"},
      {{-1, 2}, "[1,2]", "SHAPE"},
      {{-1, 2}, "[[1,2],[3]]", "SHAPE"},
      {{-1, -1}, "[[1,2,3],[4,5,6]]", "[1, 2, 3]"},
      {{-1, -1}, "[[1,2],[4,5,6]]", "SHAPE"},
      {{-1, -1}, "[[],[]]", "SHAPE"},
      {{2, -1}, "[[1,2,3],[4,5,6]]", "[1, 2, 3]"},
      {{2, -1}, "[[1,2,3]]", "SHAPE"},
      {{1000, 1000, 1000, 1000}, "[[[[1]]]]", "SHAPE"},
      {{1000, 1000, 1000, 1000}, "[1]", "SHAPE"},
  };
  for (const ShapeCase& c : table) {
    const auto body = Codec(OneInput(DType::kFp32, c.row_dims))
                          .Decode("{\"inputs\":" + std::string(c.json) + "}");
    const std::string came =
        body ? body->calls[0].inputs[0].shape().ToString() : std::string(body.error().reason);
    EXPECT_EQ(came, c.outcome) << c.json << (body ? "" : " " + body.error().message);
  }
}

TEST(DecodeRow, AnAxislessModelTakesTheWholeTensorAsOneRow) {
  auto version = FakeVersion("m", {Spec("x", DType::kFp32, {2, 2}), Spec("y", DType::kFp32, {3})},
                             {Spec("z", DType::kFp32, {1})});
  ASSERT_EQ(version->spec.batch_axis, model::BatchAxis::kNone);
  const auto body = Codec(version).Decode(R"({"inputs":{"y":[5,6,7],"x":[[1,2],[3,4]]}})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->calls[0].inputs[0].shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(body->calls[0].inputs[1].shape(), (Shape{1, 3}));
}

TEST(DecodeRow, TextsSayWhatWasExpectedWhatCameAndWhere) {
  EXPECT_EQ(Codec(Iris()).Refusal(R"({"inputs":[1,2,true,4]})"),
            "TYPE: inputs[2]: expected a number (FP32), got true");
  EXPECT_EQ(Codec(Iris()).Refusal(R"({"inputs":[1,2,3]})"),
            "SHAPE: inputs: expected 4 elements, got 3");
  EXPECT_EQ(Codec(Iris()).Refusal(R"({"inputs":{"x":[1,2,"3",4]}})"),
            "TYPE: inputs.x[2]: expected a number (FP32), got \"3\"");
  EXPECT_EQ(Codec(OneInput(DType::kUint8, {2, 2})).Refusal(R"({"inputs":[[1,2],[3,300]]})"),
            "OUT_OF_RANGE: inputs[1][1]: expected a whole number (UINT8) in its range, got 300");
}

TEST(DecodeRow, TextsNeverEchoMuch) {
  const std::string text(100'000, 'a');
  const std::string refusal = Codec(Iris()).Refusal("{\"inputs\":[1,2,\"" + text + "\",4]}");
  EXPECT_LT(refusal.size(), 250u);
  const std::string key = Codec(Iris()).Refusal("{\"inputs\":{\"" + text + "\":1}}");
  EXPECT_LT(key.size(), 350u);
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"inputs":{"a\u001b[31m\nb":1}})"),
              HasSubstr(R"(a\u001b[31m\nb)"));
}

std::shared_ptr<registry::ServedVersion> TwoInputs() {
  return FakeVersion("two",
                     {Spec("age", DType::kInt64, {-1, 1}), Spec("name", DType::kBytes, {-1, 2})},
                     {Spec("y", DType::kFp32, {-1, 1})});
}

TEST(DecodeNamed, SeveralInputsComeByNameInAnyOrder) {
  const auto body = Codec(TwoInputs()).Decode(R"({"inputs":{"name":["a","b"],"age":41}})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(Values<std::int64_t>(body->calls[0].inputs[0])[0], 41);
  EXPECT_EQ(Values<std::string>(body->calls[0].inputs[1]), (std::vector<std::string>{"a", "b"}));
}

TEST(DecodeNamed, RefusesWhatIsMissingUnknownOrNotByName) {
  const Codec codec(TwoInputs());
  EXPECT_EQ(codec.Refusal(R"({"inputs":{"age":41}})"),
            "MISSING_INPUT: inputs: missing input \"name\"");
  EXPECT_THAT(codec.Refusal(R"({"inputs":{"age":41,"nam":["a","b"]}})"),
              StartsWith("UNKNOWN_INPUT: inputs.nam: unknown input; did you mean \"name\"?"));
  EXPECT_THAT(codec.Refusal(R"({"inputs":[41,["a","b"]]})"),
              StartsWith("TYPE: inputs: expected an object with the inputs \"age\", \"name\""));
  EXPECT_THAT(codec.Refusal(R"({"inputs":{}})"), StartsWith("MISSING_INPUT"));
  EXPECT_THAT(codec.Refusal(R"({"inputs":{"age":1,"name":["a","b"],"x":1}})"),
              StartsWith("UNKNOWN_INPUT"));
}

TEST(DecodeNamed, OneInputMayComeByNameToo) {
  const auto body = Codec(Iris()).Decode(R"({"inputs":{"x":[1,2,3,4]}})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{1, 2, 3, 4}));
}

TEST(DecodeFeatures, TakesAListOrAnObjectByFeatureName) {
  for (const char* json :
       {R"({"features":[1,2,3,4]})",
        R"({"features":{"sepal_length":1,"sepal_width":2,"petal_length":3,"petal_width":4}})",
        R"({"features":{"petal_width":4,"sepal_length":1,"petal_length":3,"sepal_width":2}})"}) {
    const auto body = Codec(Iris()).Decode(json);
    ASSERT_TRUE(body) << body.error().ToString();
    EXPECT_EQ(body->dialect, Dialect::kFeatures);
    EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{1, 2, 3, 4})) << json;
  }
}

TEST(DecodeFeatures, RefusesWhatIsMissingUnknownOrTwice) {
  const Codec codec(Iris());
  EXPECT_EQ(codec.Refusal(R"({"features":{"sepal_length":1,"sepal_width":2,"petal_length":3}})"),
            "MISSING_INPUT: features: missing feature \"petal_width\"");
  EXPECT_EQ(
      codec.Refusal(R"({"features":{"sepal_lenght":1}})"),
      "UNKNOWN_INPUT: features.sepal_lenght: unknown feature; did you mean \"sepal_length\"?");
  EXPECT_THAT(codec.Refusal(R"({"features":{"sepal_length":1,"sepal_length":1}})"),
              StartsWith("DUPLICATE_KEY"));
  EXPECT_THAT(codec.Refusal(R"({"features":{"sepal_length":[1]}})"), StartsWith("TYPE"));
}

TEST(DecodeFeatures, FallBackToInputNames) {
  auto columns =
      FakeVersion("columns", {Spec("a", DType::kFp32, {-1, 1}), Spec("b", DType::kInt64, {-1, 1})},
                  {Spec("y", DType::kFp32, {-1, 1})});
  const auto body = Codec(columns).Decode(R"({"features":{"b":2,"a":1.5}})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0])[0], 1.5f);
}

TEST(DecodeFeatures, NamesThatDoNotFitTheRowAreRefused) {
  auto version = Iris();
  version->config.feature_names.push_back("fifth");
  EXPECT_THAT(
      Codec(version).Refusal(
          R"({"features":{"sepal_length":1,"sepal_width":2,"petal_length":3,"petal_width":4,"fifth":5}})"),
      StartsWith("SHAPE"));
}

TEST(DecodeFeatures, MoreNamesThanTheBodyHasRoomForAreHarmless) {
  auto version = OneInput(DType::kFp64, {4000});
  for (int i = 0; i < 4000; ++i) version->config.feature_names.push_back("f" + std::to_string(i));
  EXPECT_THAT(Codec(version).Refusal(R"({"features":{"f3999":1}})"), StartsWith("MISSING_INPUT"));
}

TEST(DecodeFeatures, AreForOnePredictionOnly) {
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"features":[1,2,3,4]})"), StartsWith("FIELD"));
}

}  // namespace
}  // namespace muster::server::codec
