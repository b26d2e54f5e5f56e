// What a body must be before its data are looked at: rows J1–J8 and T11 of the fault catalogue.
#include <gmock/gmock.h>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using std::chrono_literals::operator""ms;
using testing::HasSubstr;
using testing::StartsWith;

std::string Repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(DecodeBody, AcceptsAnObjectWithOneDataField) {
  const auto body = Codec(Iris()).Decode(R"( {"inputs" : [5.1, 3.5, 1.4, 0.2] } )");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->dialect, Dialect::kInputs);
  EXPECT_FALSE(body->batch);
  EXPECT_EQ(body->slots, 1);
  ASSERT_EQ(body->calls.size(), 1u);
  EXPECT_EQ(body->calls[0].rows, 1);
  EXPECT_EQ(body->calls[0].slots, std::pmr::vector<std::int64_t>{0});
  EXPECT_EQ(body->calls[0].inputs[0].shape(), (tensor::Shape{1, 4}));
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{5.1f, 3.5f, 1.4f, 0.2f}));
  EXPECT_EQ(body->calls[0].input_shapes[0], (tensor::Shape{1, 4}));
  EXPECT_EQ(body->model->name, "iris");
}

struct Fault {
  const char* name;
  std::string json;
  const char* reason;
};

class DecodeFault : public testing::TestWithParam<Fault> {};

TEST_P(DecodeFault, IsRefusedWithItsReason) {
  const Fault& fault = GetParam();
  EXPECT_THAT(Codec(Iris()).Refusal(fault.json), StartsWith(std::string(fault.reason) + ": "))
      << fault.json.substr(0, 200);
}

const std::string kGood = R"("inputs":[1,2,3,4])";

INSTANTIATE_TEST_SUITE_P(Syntax, DecodeFault,
                         testing::ValuesIn(std::vector<Fault>{
                             {"Empty", "", "JSON"},
                             {"Blank", " \n\t", "JSON"},
                             {"Null", "null", "TYPE"},
                             {"List", "[]", "TYPE"},
                             {"ListOpen", "[1,2", "TYPE"},
                             {"Number", "1", "TYPE"},
                             {"String", R"("inputs")", "TYPE"},
                             {"Word", "hello", "JSON"},
                             {"Truncated", R"({"inputs":[1,2)", "JSON"},
                             {"TruncatedKey", R"({"inputs)", "JSON"},
                             {"TruncatedValue", R"({"inputs")", "JSON"},
                             {"NotClosed", R"({"inputs":[1,2,3,4])", "JSON"},
                             {"NotClosedInside", R"({"inputs":[1,2,3,4})", "JSON"},
                             {"WrongBracket", R"({"a":[1}],"inputs":[1,2,3,4]})", "JSON"},
                             {"Garbage", "{" + kGood + "} x", "JSON"},
                             {"ExtraBrace", "{" + kGood + "}}", "JSON"},
                             {"TwoDocuments", "{" + kGood + "}{" + kGood + "}", "JSON"},
                             {"Nul", "{" + kGood + "}" + std::string(1, '\0'), "JSON"},
                             {"ByteOrderMark", "\xEF\xBB\xBF{" + kGood + "}", "JSON"},
                             {"Comment", "{/* c */" + kGood + "}", "JSON"},
                             {"LineComment", "{" + kGood + "// c\n}", "JSON"},
                             {"SingleQuotes", "{'inputs':[1,2,3,4]}", "JSON"},
                             {"BareKey", "{inputs:[1,2,3,4]}", "JSON"},
                             {"TrailingComma", "{" + kGood + ",}", "JSON"},
                             {"TrailingCommaInData", R"({"inputs":[1,2,3,4,]})", "JSON"},
                             {"TrailingCommaInIgnored", R"({"x":[1,],)" + kGood + "}", "JSON"},
                             {"TwoCommas", R"({"inputs":[1,,2,3,4]})", "JSON"},
                             {"NoComma", R"({"inputs":[1 2,3,4]})", "JSON"},
                             {"NoColon", R"({"inputs" [1,2,3,4]})", "JSON"},
                             {"NoValue", R"({"inputs":})", "JSON"},
                             {"ColonInList", R"({"inputs":[1:2]})", "JSON"},
                             {"NumberKey", R"({1:2})", "JSON"},
                             {"ControlCharacter", "{\"x\":\"a\nb\"," + kGood + "}", "JSON"},
                             {"OpenString", R"({"inputs":"abc})", "JSON"},
                             {"Invalid", "{\"x\":\"\xFF\"," + kGood + "}", "JSON"},
                             {"Overlong", "{\"x\":\"\xC0\xAF\"," + kGood + "}", "JSON"},
                             {"EncodedSurrogate", "{\"x\":\"\xED\xA0\x80\"," + kGood + "}", "JSON"},
                             {"LoneSurrogate", R"({"x":"\ud800",)" + kGood + "}", "JSON"},
                             {"LoneLowSurrogate", R"({"x":"\udc00",)" + kGood + "}", "JSON"},
                             {"LoneSurrogateInKey", R"({"\ud800":1,)" + kGood + "}", "JSON"},
                             {"UnknownEscape", R"({"x":"\q",)" + kGood + "}", "JSON"},
                         }),
                         [](const auto& i) { return i.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tokens, DecodeFault,
    testing::ValuesIn(std::vector<Fault>{
        {"NaN", R"({"inputs":[NaN,2,3,4]})", "JSON"},
        {"Infinity", R"({"inputs":[1,Infinity,3,4]})", "JSON"},
        {"MinusInfinity", R"({"inputs":[1,-Infinity,3,4]})", "JSON"},
        {"NaNIgnored", R"({"x":NaN,)" + kGood + "}", "JSON"},
        {"InfinityIgnored", R"({"x":{"y":[-Infinity]},)" + kGood + "}", "JSON"},
        {"LeadingZero", R"({"inputs":[01,2,3,4]})", "JSON"},
        {"LeadingPlus", R"({"inputs":[+1,2,3,4]})", "JSON"},
        {"BarePoint", R"({"inputs":[1.,2,3,4]})", "JSON"},
        {"LeadingPoint", R"({"inputs":[.5,2,3,4]})", "JSON"},
        {"BareExponent", R"({"inputs":[1e,2,3,4]})", "JSON"},
        {"Hexadecimal", R"({"inputs":[0x10,2,3,4]})", "JSON"},
        {"LeadingZeroIgnored", R"({"x":00,)" + kGood + "}", "JSON"},
        {"Nulll", R"({"x":nulll,)" + kGood + "}", "JSON"},
        {"Truex", R"({"x":truex,)" + kGood + "}", "JSON"},
        {"Nul", R"({"x":[nul],)" + kGood + "}", "JSON"},
        {"NulInNumber", "{\"inputs\":[1" + std::string(1, '\0') + ",2,3,4]}", "JSON"},
        {"TooLarge", R"({"inputs":[1e999,2,3,4]})", "OUT_OF_RANGE"},
        {"TooLargeIgnored", R"({"x":[-1e999],)" + kGood + "}", "OUT_OF_RANGE"},
    }),
    [](const auto& i) { return i.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Limits, DecodeFault,
    testing::ValuesIn(std::vector<Fault>{
        {"Depth101Ignored", "{\"x\":" + Repeated("[", 100) + Repeated("]", 100) + "," + kGood + "}",
         "TOO_DEEP"},
        {"Depth101Data", "{\"inputs\":" + Repeated("[", 100) + Repeated("]", 100) + "}",
         "TOO_DEEP"},
        {"Depth1000Objects",
         "{\"x\":" + Repeated("{\"a\":", 1000) + "1" + Repeated("}", 1000) + "," + kGood + "}",
         "TOO_DEEP"},
        {"Depth250000Ignored",
         "{\"x\":" + Repeated("[", 250'000) + Repeated("]", 250'000) + "," + kGood + "}",
         "TOO_DEEP"},
        {"Depth250000Objects",
         "{\"x\":" + Repeated("{\"a\":", 250'000) + "1" + Repeated("}", 250'000) + "," + kGood +
             "}",
         "TOO_DEEP"},
        {"Depth250000Data", "{\"inputs\":" + Repeated("[", 250'000) + Repeated("]", 250'000) + "}",
         "TOO_DEEP"},
        {"Depth250000Context",
         "{\"context\":" + Repeated("{\"a\":", 250'000) + "1" + Repeated("}", 250'000) + "," +
             kGood + "}",
         "TOO_DEEP"},
        {"Depth250000Unclosed", "{\"x\":" + Repeated("[", 250'000), "JSON"},
    }),
    [](const auto& i) { return i.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Keys, DecodeFault,
    testing::ValuesIn(std::vector<Fault>{
        {"Data", "{" + kGood + "," + kGood + "}", "DUPLICATE_KEY"},
        {"Ignored", R"({"x":1,"x":1,)" + kGood + "}", "DUPLICATE_KEY"},
        {"Escaped", R"({"x":1,"\u0078":1,)" + kGood + "}", "DUPLICATE_KEY"},
        {"BothEscaped", R"({"\u0078\u0079":1,"x\u0079":1,)" + kGood + "}", "DUPLICATE_KEY"},
        {"Nested", R"({"x":[{"a":1,"b":2,"a":3}],)" + kGood + "}", "DUPLICATE_KEY"},
        {"OfRow", R"({"inputs":{"x":[1,2,3,4],"x":[1,2,3,4]}})", "DUPLICATE_KEY"},
        {"Context", R"({"context":{"user_id":"a","user_id":"b"},)" + kGood + "}", "DUPLICATE_KEY"},
    }),
    [](const auto& i) { return i.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Fields, DecodeFault,
    testing::ValuesIn(std::vector<Fault>{
        {"NoData", R"({})", "FIELD"},
        {"TwoData", R"({"inputs":[1,2,3,4],"features":[1,2,3,4]})", "FIELD"},
        {"PriorityReal", R"({"priority":1.5,)" + kGood + "}", "FIELD"},
        {"PriorityLarge", R"({"priority":2147483648,)" + kGood + "}", "FIELD"},
        {"PriorityText", R"({"priority":"1",)" + kGood + "}", "FIELD"},
        {"TimeoutZero", R"({"timeout":0,)" + kGood + "}", "FIELD"},
        {"TimeoutNegative", R"({"timeout":-1,)" + kGood + "}", "FIELD"},
        {"TimeoutInfinite", R"({"timeout":1e999,)" + kGood + "}", "FIELD"},
        {"TimeoutText", R"({"timeout":"5s",)" + kGood + "}", "FIELD"},
        {"TimeoutUnderflow", R"({"timeout":1e-999,)" + kGood + "}", "FIELD"},
        {"TopK", R"({"top_k":0,)" + kGood + "}", "FIELD"},
        {"TopKTrue", R"({"top_k":true,)" + kGood + "}", "FIELD"},
        {"Parallelism", R"({"max_parallelism":0,)" + kGood + "}", "FIELD"},
        {"ParallelismNegative", R"({"max_parallelism":-4,)" + kGood + "}", "FIELD"},
        {"ContextList", R"({"context":[],)" + kGood + "}", "FIELD"},
        {"IdNumber", R"({"id":5,)" + kGood + "}", "FIELD"},
        {"IdLong", R"({"id":")" + std::string(129, 'i') + "\"," + kGood + "}", "FIELD"},
        {"IdMegabyte", R"({"id":")" + std::string(1'000'000, 'i') + "\"," + kGood + "}", "FIELD"},
        {"IdNewline", R"({"id":"a\nb",)" + kGood + "}", "FIELD"},
        {"IdDirection", R"({"id":"a\u202eb",)" + kGood + "}", "FIELD"},
        {"ModelNumber", R"({"model_id":1,)" + kGood + "}", "FIELD"},
        {"ModelPath", R"({"model_id":"../iris",)" + kGood + "}", "FIELD"},
        {"ModelEmpty", R"({"model_id":"",)" + kGood + "}", "FIELD"},
        {"ModelNul", R"({"model_id":"iris\u0000",)" + kGood + "}", "FIELD"},
        {"VersionNumber", R"({"version":1,)" + kGood + "}", "FIELD"},
        {"ModelUnknown", R"({"model_id":"rose",)" + kGood + "}", "NOT_FOUND"},
        {"VersionUnknown", R"({"version":"7",)" + kGood + "}", "NOT_FOUND"},
    }),
    [](const auto& i) { return i.param.name; });

TEST(DecodeBody, JsonFaultsComeBeforeFieldFaults) {
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"priority":"x","y":NaN})"), StartsWith("JSON"));
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"priority":{"a":NaN}})"), StartsWith("JSON"));
}

TEST(DecodeBody, NestingUpToTheLimitIsAccepted) {
  const Codec codec(Iris());
  EXPECT_TRUE(codec.Decode("{\"x\":" + Repeated("[", 99) + Repeated("]", 99) + "," + kGood + "}"));
}

TEST(DecodeBody, PaddingIsNeverPartOfTheBody) {
  const Codec codec(Iris());
  const ModelResolver resolve = [&](std::string_view m, std::string_view v) {
    return codec.Resolve(m, v);
  };
  for (const char padding : {'\0', '}', ']', ',', '1', '"', ' '}) {
    for (const std::string_view json : {R"({"inputs":[1,2,3,4])", R"({"inputs":[1,2,3,4)", "{",
                                        R"({"x":{"y":1},"inputs":[1,2,3,4])", R"({"x":{"y":1})"}) {
      EXPECT_FALSE(DecodePredict(PaddedBody(json, padding).bytes(), {}, {}, resolve))
          << json << " followed by " << padding;
    }
    EXPECT_TRUE(DecodePredict(PaddedBody("{" + kGood + "}", padding).bytes(), {}, {}, resolve));
  }
}

TEST(DecodeBody, ObjectsHaveAtMostTheLimitOfKeys) {
  Codec codec(Iris());
  codec.limits.max_keys = 4;
  EXPECT_TRUE(codec.Decode(R"({"a":1,"b":1,"c":{"a":1,"b":1,"c":1,"d":1},)" + kGood + "}"));
  EXPECT_THAT(codec.Refusal(R"({"a":1,"b":1,"c":1,"d":1,)" + kGood + "}"),
              StartsWith("TOO_MANY_VALUES"));
  EXPECT_THAT(codec.Refusal(R"({"a":{"a":1,"b":1,"c":1,"d":1,"e":1},)" + kGood + "}"),
              StartsWith("TOO_MANY_VALUES"));
}

TEST(DecodeBody, AMillionKeysAreRefused) {
  std::string json = "{" + kGood;
  for (int i = 0; i < 1'000'000; ++i) json += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_THAT(Codec(Iris()).Refusal(json + "}"), StartsWith("TOO_MANY_VALUES"));
}

TEST(DecodeBody, AHugeKeyIsReadAndCutInTexts) {
  const std::string key(10'000'000, 'k');
  EXPECT_TRUE(Codec(Iris()).Decode("{\"" + key + "\":1," + kGood + "}"));
  const std::string refusal = Codec(Iris()).Refusal("{\"" + key + "\":NaN," + kGood + "}");
  EXPECT_THAT(refusal, StartsWith("JSON"));
  EXPECT_LT(refusal.size(), 300u);
}

TEST(DecodeBody, CountsValuesBeforeParsing) {
  Codec codec(Iris());
  codec.limits.max_values = 1000;
  EXPECT_THAT(codec.Refusal("{\"inputs\":[" + Repeated("0,", 2000) + "0]}"),
              StartsWith("TOO_MANY_VALUES"));
  EXPECT_THAT(codec.Refusal(Repeated("]", 2000)), StartsWith("JSON"));
  EXPECT_THAT(codec.Refusal("{\"x\":[" + Repeated("{},", 2000) + "{}]," + kGood + "}"),
              StartsWith("TOO_MANY_VALUES"));
}

TEST(DecodeBody, NamesTheNearestKey) {
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"input":[1,2,3,4]})"),
              HasSubstr(R"(did you mean "inputs" by "input"?)"));
}

TEST(DecodeBody, ReadsTheCommonFields) {
  const auto body = Codec(Iris()).Decode(
      R"({"id":"räquest 1","priority":-3,"timeout":1.5,"top_k":2,"max_parallelism":8,
          "version":"1","model_id":"iris","context":{"user_id":"u","deep":[{"a":null}]},
          "unknown":[true,false,null,-1.5e-3,"\ud83d\ude00"],"inputs":[1,2,3,4]})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->id, "räquest 1");
  EXPECT_EQ(body->priority, -3);
  EXPECT_EQ(body->timeout, base::Duration(1500ms));
  EXPECT_EQ(body->top_k, 2);
  EXPECT_EQ(body->max_parallelism, 8);
}

TEST(DecodeBody, NullIsAFieldThatIsNotThere) {
  const auto body = Codec(Iris()).Decode(
      R"({"id":null,"priority":null,"timeout":null,"top_k":null,"max_parallelism":null,
          "version":null,"model_id":null,"context":null,"inputs":[1,2,3,4]})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->id, "");
  EXPECT_EQ(body->timeout, std::nullopt);
}

TEST(DecodeBody, CapsTheTimeoutAndKeepsTheSmallest) {
  Codec codec(Iris());
  codec.limits.max_timeout = 2000ms;
  EXPECT_EQ(codec.Decode(R"({"timeout":1e300,)" + kGood + "}")->timeout, base::Duration(2000ms));
  EXPECT_EQ(codec.Decode(R"({"timeout":1e-300,)" + kGood + "}")->timeout, base::Duration(1));
}

TEST(DecodeBody, TheDataMayComeBeforeTheModelsName) {
  Codec codec(OneInput(tensor::DType::kInt8, {2}));
  codec.Add(Iris());
  const auto body = codec.Decode(R"({"inputs":[1.5,2,3,4],"model_id":"iris"})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->model->name, "iris");
}

TEST(DecodeBody, KeysMayBeEscaped) {
  EXPECT_TRUE(Codec(Iris()).Decode(R"({"inp\u0075ts":[1,2,3,4]})"));
}

TEST(DecodeBody, ThePathsModelMustNotBeContradicted) {
  Codec codec(Iris());
  codec.Add(OneInput(tensor::DType::kFp32, {4}));
  codec.context.model = "m";
  EXPECT_EQ(codec.Decode("{" + kGood + "}")->model->name, "m");
  EXPECT_TRUE(codec.Decode(R"({"model_id":"m",)" + kGood + "}"));
  EXPECT_THAT(codec.Refusal(R"({"model_id":"iris",)" + kGood + "}"),
              StartsWith("FIELD: model_id:"));
}

TEST(DecodeBody, OneThreadReadsManyBodiesAfterAHugeOne) {
  const Codec codec(OneInput(tensor::DType::kFp32, {1}));
  std::string huge = "{\"inputs\":[";
  for (int i = 0; i < 500'000; ++i) huge += "1.5,";
  const auto body = codec.DecodeBatch(huge + "2]}");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->slots, 500'001);
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]).back(), 2);
  EXPECT_TRUE(codec.Decode("{\"inputs\":1}"));
}

}  // namespace
}  // namespace muster::server::codec
