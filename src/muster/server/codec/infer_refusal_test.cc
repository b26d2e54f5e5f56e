#include <gmock/gmock.h>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/infer_test_support.h"

namespace muster::server::codec {
namespace {

using tensor::DType;
using testing::HasSubstr;
using testing::StartsWith;
using Version = std::shared_ptr<registry::ServedVersion>;

TEST(DecodeInfer, RefusesRawBodiesThatAreNotWholeRows) {
  const auto raw = [](const Version& model, std::size_t bytes) {
    return Told(DecodeInfer(InferBody("", std::string(bytes, '\0')), 0, model, {}));
  };
  EXPECT_THAT(raw(Iris(), 15), StartsWith("SHAPE: "));
  EXPECT_THAT(raw(Iris(), 0), StartsWith("EMPTY_BATCH: "));
  EXPECT_THAT(raw(TwoInputs(), 16), StartsWith("MISSING_INPUT: "));
  EXPECT_THAT(raw(WholeTensor(DType::kFp32, {2, 2}), 16), StartsWith("accepted"));
  EXPECT_THAT(raw(WholeTensor(DType::kFp32, {2, 2}), 32), StartsWith("SHAPE: input `x`"));
}

struct RefusedCase {
  std::string_view shape;
  std::string_view data;
  std::string_view expected;
};

constexpr RefusedCase kMisfits[] = {
    {"[1,4]", "[1,2,3]",
     "SHAPE: input `x`: inputs[0].data: expected 4 elements for FP32 [1, 4], got 3"},
    {"[1,4]", "[1,2,3,4,5]",
     "SHAPE: input `x`: inputs[0].data: expected 4 elements for FP32 [1, 4], got 5"},
    {"[2,4]", "[[1,2,3,4],[5,6,7]]",
     "SHAPE: input `x`: inputs[0].data[1]: expected 4 elements for FP32 [2, 4], got 3"},
    {"[2,4]", "[[1,2,3,4]]", "SHAPE: input `x`: inputs[0].data: expected 2 elements"},
    {"[2,4]", "[[1,2,3,4],5]", "SHAPE: input `x`: inputs[0].data[1]: expected a list"},
    {"[1,4]", "[[1,2,3,[4]]]", "TYPE: input `x`: inputs[0].data[0][3]: expected a number"},
    {"[1,4]", "5", "TYPE: input `x`: inputs[0].data: expected a list"},
    {"[1,4]", "[1,2,3,true]", "TYPE: input `x`: inputs[0].data[3]: expected a number (FP32)"},
    {"[1,4]", "[1,2,3,\"4\"]", "TYPE: input `x`: inputs[0].data[3]: expected a number (FP32)"},
    {"[1,4]", "[1,2,3,1e999]", "OUT_OF_RANGE: input `x`: inputs[0].data[3]"},
    {"[1,4]", "[1,2,3,1e39]", "OUT_OF_RANGE: input `x`: inputs[0].data[3]"},
    {"[1,4]", "[1,2,3,NaN]", "JSON: input `x`"},
    {"[2,3]", "[1,2,3,4,5,6]", "SHAPE: input `x`: inputs[0].shape: expected [-1, 4], got [2, 3]"},
    {"[4]", "[1,2,3,4]", "SHAPE: input `x`: inputs[0].shape: expected [-1, 4], got [4]"},
    {"[-1,4]", "[1,2,3,4]", "SHAPE: input `x`: inputs[0].shape: shape [-1, 4]"},
    {"[0,4]", "[]", "EMPTY_BATCH: input `x`"},
    {"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]", "[]", "SHAPE: input `x`: inputs[0].shape: more"},
    {"[16,1152921504606846978]", "[]", "OVERFLOW: input `x`: inputs[0].shape"},
    {"[4,1152921504606846978]", "[]", "OVERFLOW: input `x`: inputs[0].shape"},
    {"[1.0,4]", "[1,2,3,4]", "TYPE: input `x`: inputs[0].shape[0]: expected a whole number"},
    {"[9223372036854775808,4]", "[]", "OUT_OF_RANGE: input `x`: inputs[0].shape[0]"},
    {"4", "[1,2,3,4]", "FIELD: input `x`: inputs[0].shape: expected a list, got 4"},
    {"[1000000,4]", "[]", "SHAPE: input `x`: inputs[0].data: expected 4000000 elements"},
    {"[1000001,4]", "[]", "TOO_MANY_VALUES: input `x`"},
};

TEST(DecodeInfer, RefusesShapesAndDataThatDoNotFit) {
  for (const RefusedCase& c : kMisfits) {
    EXPECT_THAT(Refusal(Iris(), Fp32Text(c.shape, c.data)), StartsWith(std::string(c.expected)))
        << c.shape << ' ' << c.data;
  }
}

TEST(DecodeInfer, RefusesNumbersThatTheTypeHasNot) {
  const auto refusal = [](DType dtype, std::string_view element) {
    return Refusal(OneInput(dtype, {}), OneInputText(tensor::DTypeName(dtype), "[1]",
                                                     R"("data":[)" + std::string(element) + "]"));
  };
  EXPECT_THAT(refusal(DType::kUint8, "300"), StartsWith("OUT_OF_RANGE: input `x`"));
  EXPECT_THAT(refusal(DType::kUint8, "-1"), StartsWith("OUT_OF_RANGE: input `x`"));
  EXPECT_THAT(refusal(DType::kInt64, "9223372036854775808"), StartsWith("OUT_OF_RANGE: "));
  EXPECT_THAT(refusal(DType::kUint64, "18446744073709551616"), StartsWith("OUT_OF_RANGE: "));
  EXPECT_THAT(refusal(DType::kInt32, "1.5"), StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(DType::kInt32, "\"1\""), StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(DType::kBool, "1"), StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(DType::kBytes, "1"), StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(DType::kBytes, "\"\\ud800\""), StartsWith("JSON: "));
  EXPECT_THAT(refusal(DType::kFp16, "1"), StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(DType::kBf16, "1"), StartsWith("TYPE: input `x`"));
}

TEST(DecodeInfer, RefusesInputsThatAreNotTheModels) {
  const std::string x = R"({"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]})";
  const auto refusal = [](const std::string& inputs) {
    return Refusal(Iris(), R"({"inputs":[)" + inputs + "]}");
  };
  EXPECT_THAT(refusal(""), StartsWith("MISSING_INPUT: inputs: missing input `x`"));
  EXPECT_THAT(Refusal(Iris(), "{}"), StartsWith("MISSING_INPUT: "));
  EXPECT_THAT(refusal(x + ',' + x), StartsWith("DUPLICATE_KEY: input `x`"));
  EXPECT_THAT(refusal(R"({"name":"xx","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]})"),
              StartsWith("UNKNOWN_INPUT: input `xx`: inputs[0].name: unknown input; did you mean"));
  EXPECT_THAT(refusal(R"({"name":"x","datatype":"FP64","shape":[1,4],"data":[1,2,3,4]})"),
              StartsWith("TYPE: input `x`: inputs[0].datatype: expected FP32, got `FP64`"));
  EXPECT_THAT(refusal(R"({"name":"x","datatype":"FLOAT","shape":[1,4],"data":[1,2,3,4]})"),
              StartsWith("TYPE: input `x`"));
  EXPECT_THAT(refusal(R"({"datatype":"FP32","shape":[1,4],"data":[1,2,3,4]})"),
              StartsWith("FIELD: inputs[0]: missing \"name\""));
  EXPECT_THAT(refusal(R"({"name":"x","shape":[1,4],"data":[1,2,3,4]})"),
              StartsWith("FIELD: input `x`: inputs[0]: missing \"datatype\""));
  EXPECT_THAT(refusal(R"({"name":"x","datatype":"FP32","data":[1,2,3,4]})"),
              StartsWith("FIELD: input `x`: inputs[0]: missing \"shape\""));
  EXPECT_THAT(refusal(R"({"name":"x","datatype":"FP32","shape":[1,4]})"),
              StartsWith("FIELD: input `x`: inputs[0]: missing \"data\""));
  EXPECT_THAT(refusal("1"), StartsWith("FIELD: inputs[0]: expected an object"));
}

TEST(DecodeInfer, RefusesInputsWithDifferentRows) {
  EXPECT_THAT(Refusal(TwoInputs(), R"({"inputs":[
      {"name":"a","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]},
      {"name":"b","datatype":"INT64","shape":[3],"data":[5,6,7]}]})"),
              StartsWith("SHAPE: input `b`: inputs[1].shape: expected 2 rows"));
}

TEST(DecodeInfer, RefusesOutputsThatAreNotTheModels) {
  const auto refusal = [](const std::string& outputs) {
    std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
    text.insert(text.size() - 1, R"(,"outputs":[)" + outputs + "]");
    return Refusal(Iris(), text);
  };
  EXPECT_THAT(refusal(R"({"name":"lable"})"),
              StartsWith("UNKNOWN_OUTPUT: output `lable`: outputs[0].name: unknown output; did you "
                         "mean `label`?"));
  EXPECT_THAT(refusal(R"({"name":"label"},{"name":"label"})"),
              StartsWith("DUPLICATE_KEY: output `label`"));
  EXPECT_THAT(refusal(R"({})"), StartsWith("FIELD: outputs[0]: missing \"name\""));
  EXPECT_THAT(refusal(R"({"name":"label","parameters":{"classification":-1}})"),
              StartsWith("FIELD: output `label`"));
  EXPECT_THAT(refusal(R"({"name":"label","parameters":{"binary_data":1}})"),
              StartsWith("FIELD: output `label`"));
  std::string many = R"({"name":"label"})";
  for (int i = 0; i < 1'000; ++i) many += R"(,{"name":"label"})";
  EXPECT_THAT(refusal(many), StartsWith("TOO_MANY_VALUES: outputs: expected at most 1000"));
}

TEST(DecodeInfer, RefusesClassesOfStrings) {
  EXPECT_THAT(Refusal(OneInput(DType::kBytes, {}), R"({"inputs":[
      {"name":"x","datatype":"BYTES","shape":[1],"data":["a"]}],
      "outputs":[{"name":"y","parameters":{"classification":1}}]})"),
              StartsWith("FIELD: output `y`"));
}

TEST(DecodeInfer, RefusesWhatIsNotSupported) {
  const auto with = [](std::string_view parameters) {
    std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
    text.insert(1, R"("parameters":)" + std::string(parameters) + ",");
    return Refusal(Iris(), text);
  };
  EXPECT_THAT(with(R"({"sequence_id":1})"), StartsWith("SEQUENCES_UNSUPPORTED: "));
  EXPECT_THAT(with(R"({"sequence_start":true})"), StartsWith("SEQUENCES_UNSUPPORTED: "));
  EXPECT_THAT(with(R"({"sequence_end":true})"), StartsWith("SEQUENCES_UNSUPPORTED: "));
  EXPECT_THAT(Refusal(Iris(), OneInputText("FP32", "[1,4]",
                                           R"("parameters":{"shared_memory_region":"r"})")),
              StartsWith("SHARED_MEMORY_UNSUPPORTED: input `x`"));
  std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
  text.insert(1, R"("outputs":[{"name":"label","parameters":{"shared_memory_region":"r"}}],)");
  EXPECT_THAT(Refusal(Iris(), text), StartsWith("SHARED_MEMORY_UNSUPPORTED: output `label`"));
}

TEST(DecodeInfer, RefusesParametersOfTheWrongKind) {
  const auto with = [](std::string_view field) {
    std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
    text.insert(1, std::string(field) + ",");
    return Refusal(Iris(), text);
  };
  EXPECT_THAT(with(R"("parameters":{"priority":-1})"), StartsWith("FIELD: parameters.priority"));
  EXPECT_THAT(with(R"("parameters":{"timeout":1.5})"), StartsWith("FIELD: parameters.timeout"));
  EXPECT_THAT(with(R"("parameters":{"binary_data_output":"yes"})"),
              StartsWith("FIELD: parameters.binary_data_output"));
  EXPECT_THAT(with(R"("parameters":[])"), StartsWith("FIELD: parameters"));
  EXPECT_THAT(with(R"("id":1)"), StartsWith("FIELD: id"));
  EXPECT_THAT(with(R"("id":"a\nb")"), StartsWith("FIELD: id"));
  EXPECT_THAT(with(R"("id":")" + std::string(1'000'000, 'a') + '"'), StartsWith("FIELD: id"));
}

TEST(DecodeInfer, RefusesBinaryPartsThatAreNotOfTheirShape) {
  const auto sized = [](std::size_t says, std::size_t has) {
    return Refusal(Iris(), OneInputText("FP32", "[1,4]", BinarySizeText(says)),
                   std::string(has, '\0'));
  };
  EXPECT_THAT(sized(12, 12),
              StartsWith("BINARY: input `x`: expected 16 bytes for FP32 [1, 4], got 12"));
  EXPECT_THAT(sized(16, 12), StartsWith("BINARY: input `x`: binary_data_size is 16"));
  EXPECT_THAT(sized(UINT64_MAX, 16), StartsWith("BINARY: input `x`"));
  EXPECT_THAT(sized(16, 17), StartsWith("BINARY: body: 1 bytes"));
  EXPECT_THAT(sized(16, 0), StartsWith("BINARY: input `x`"));
  EXPECT_THAT(Refusal(Iris(), Fp32Text("[1,4]", "[1,2,3,4]"), "left"),
              StartsWith("BINARY: body: 4 bytes"));
  EXPECT_THAT(
      Refusal(Iris(), OneInputText("FP32", "[1,4]", R"("data":[1,2,3,4],)" + BinarySizeText(16)),
              std::string(16, '\0')),
      StartsWith("FIELD: input `x`"));
  EXPECT_THAT(Refusal(OneInput(DType::kBool, {2}), OneInputText("BOOL", "[1,2]", BinarySizeText(2)),
                      std::string("\1\2", 2)),
              StartsWith("OUT_OF_RANGE: input `x`"));
}

TEST(DecodeInfer, RefusesAJsonPartLongerThanTheBody) {
  const std::string json = Fp32Text("[1,4]", "[1,2,3,4]");
  EXPECT_THAT(Told(DecodeInfer(InferBody(json), json.size() + 1, Iris(), {})),
              StartsWith("BINARY: body"));
  EXPECT_THAT(Told(DecodeInfer(InferBody(json), 99'999'999'999, Iris(), {})),
              StartsWith("BINARY: body"));
  EXPECT_THAT(Told(DecodeInfer(InferBody(json), json.size() - 1, Iris(), {})),
              StartsWith("JSON: "));
}

TEST(DecodeInfer, RefusesStringsWhoseLengthsDoNotAddUp) {
  const auto refusal = [](std::string bytes) {
    return Refusal(OneInput(DType::kBytes, {2}),
                   OneInputText("BYTES", "[1,2]", BinarySizeText(bytes.size())), bytes);
  };
  const std::string good = StringBytes({"ab", "c"});
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_THAT(refusal(good + "d"), StartsWith("BINARY: input `x`: 1 bytes are left over"));
  EXPECT_THAT(refusal(good.substr(0, good.size() - 1)),
              StartsWith("BINARY: input `x`: string 1: its length is 1, but only 0"));
  EXPECT_THAT(refusal(good.substr(0, 8)), HasSubstr("string 1: its length of 4 bytes is cut off"));
  EXPECT_THAT(refusal(std::string("\xff\xff\xff\xff", 4) + "abcdefgh"),
              StartsWith("BINARY: input `x`: string 0: its length is 4294967295"));
  EXPECT_THAT(refusal("\1"), StartsWith("BINARY: input `x`: expected 2 strings"));
}

TEST(DecodeInfer, RefusesBodiesThatAreNoJsonObjects) {
  for (const std::string_view text : {"", " ", "null", "[]", "{", "{}}", "{'inputs':[]}"}) {
    EXPECT_THAT(Refusal(Iris(), text), testing::AnyOf(StartsWith("JSON: "), StartsWith("TYPE: ")))
        << text;
  }
  EXPECT_THAT(Refusal(Iris(), Fp32Text("[1,4]", "[1,2,3,4]") + "{}"), StartsWith("JSON: "));
}

TEST(DecodeInfer, RefusesKeysThatComeTwice) {
  EXPECT_THAT(Refusal(Iris(), OneInputText("FP32", "[1,4]", R"("shape":[1,4],"data":[1,2,3,4])")),
              StartsWith("DUPLICATE_KEY: input `x`"));
  EXPECT_THAT(Refusal(Iris(), R"({"inputs":[],"inputs":[]})"), StartsWith("DUPLICATE_KEY: "));
}

TEST(DecodeInfer, KeepsToTheLimits) {
  const std::string text = Fp32Text("[2,4]", "[1,2,3,4,5,6,7,8]");
  EXPECT_THAT(Told(DecodeText(Iris(), text, {}, {.max_rows = 1})),
              StartsWith("TOO_MANY_VALUES: input `x`"));
  EXPECT_THAT(Told(DecodeText(Iris(), text, {}, {.max_values = 10})),
              StartsWith("TOO_MANY_VALUES: "));
  std::string parameters = R"({"p":1)";
  for (int i = 0; i < 10'000; ++i) parameters += ",\"p" + std::to_string(i) + "\":1";
  EXPECT_THAT(Refusal(Iris(), R"({"parameters":)" + parameters + "}}"),
              StartsWith("TOO_MANY_VALUES: "));
  const std::string deep = std::string(101, '[') + std::string(101, ']');
  EXPECT_THAT(Refusal(Iris(), R"({"ignored":)" + deep + "}"), StartsWith("TOO_DEEP: "));
  EXPECT_THAT(Refusal(Iris(), Fp32Text("[1,4]", deep)), StartsWith("TOO_DEEP: "));
}

}  // namespace
}  // namespace muster::server::codec
