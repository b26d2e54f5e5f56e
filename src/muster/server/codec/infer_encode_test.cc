#include <cmath>
#include <gmock/gmock.h>
#include <limits>

#include <nlohmann/json.hpp>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/infer_test_support.h"

namespace muster::server::codec {
namespace {

using nlohmann::json;
using tensor::DType;
using tensor::Tensor;
using testing::HasSubstr;
using testing::StartsWith;

/// Answers of a version, as an engine would give them.
class Answered {
 public:
  explicit Answered(engine::ModelLease model) { response_.model = std::move(model); }
  Answered& Part(std::int64_t first_row, tensor::TensorList outputs) {
    const std::int64_t rows = outputs[0].rows();
    response_.work.parts.push_back(
        {.first_row = first_row, .rows = rows, .outputs = std::move(outputs)});
    return *this;
  }
  Answered& Failed(std::int64_t row, base::Error error) {
    response_.work.errors.push_back({.row = row, .error = std::move(error)});
    return *this;
  }
  operator CallResult() const { return response_; }  // NOLINT

 private:
  engine::PredictResponse response_;
};

InferRequest Request(engine::ModelLease model, std::int64_t rows,
                     std::vector<RequestedOutput> outputs) {
  return {.model = std::move(model), .rows = rows, .outputs = std::move(outputs)};
}

json Encoded(const InferRequest& request, const CallResult& result) {
  std::string text;
  const auto json_bytes = EncodeInfer(text, request, result);
  EXPECT_TRUE(json_bytes) << json_bytes.error().ToString();
  if (!json_bytes) return {};
  EXPECT_FALSE(*json_bytes) << "nothing was asked for in binary";
  json parsed = json::parse(text, nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << text;
  return parsed;
}

struct InTwo {
  json head;
  std::string binary;
};

/// An answer with a binary part.
InTwo EncodedInTwo(const InferRequest& request, const CallResult& result) {
  std::string text = "before";
  const auto json_bytes = EncodeInfer(text, request, result);
  EXPECT_TRUE(json_bytes) << json_bytes.error().ToString();
  if (!json_bytes || !*json_bytes) return {};
  EXPECT_THAT(text, StartsWith("before{"));
  text.erase(0, 6);
  return {json::parse(text.substr(0, **json_bytes), nullptr, false), text.substr(**json_bytes)};
}

std::string Refusal(const InferRequest& request, const CallResult& result) {
  std::string text;
  const auto encoded = EncodeInfer(text, request, result);
  EXPECT_TRUE(text.empty()) << text;
  if (encoded) return "encoded";
  return std::string(encoded.error().Reason()) + ": " + encoded.error().message;
}

tensor::TensorList IrisOutputs(std::vector<std::int64_t> labels, std::vector<float> p) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  return {Tensor::Of<std::int64_t>({rows}, labels), Tensor::Of<float>({rows, 3}, p)};
}

TEST(EncodeInfer, WritesAllFields) {
  InferRequest request = Request(Iris(), 2, {{.index = 0}, {.index = 1}});
  request.id = "r\"1";
  const json answer = Encoded(
      request, Answered(request.model)
                   .Part(0, IrisOutputs({1, 0}, {0.125f, 0.75f, 0.125f, 0.5f, 0.25f, 0.25f})));
  EXPECT_EQ(answer, json::parse(R"({
    "model_name": "iris", "model_version": "1", "id": "r\"1",
    "outputs": [
      {"name": "label", "datatype": "INT64", "shape": [2], "data": [1, 0]},
      {"name": "probabilities", "datatype": "FP32", "shape": [2, 3],
       "data": [0.125, 0.75, 0.125, 0.5, 0.25, 0.25]}]})"));
}

TEST(EncodeInfer, WritesOnlyWhatWasAskedForInThatOrder) {
  const InferRequest request = Request(Iris(), 1, {{.index = 1}});
  const json answer =
      Encoded(request, Answered(request.model).Part(0, IrisOutputs({1}, {0.25f, 0.5f, 0.25f})));
  ASSERT_EQ(answer["outputs"].size(), 1u);
  EXPECT_EQ(answer["outputs"][0]["name"], "probabilities");
  EXPECT_FALSE(answer.contains("id"));
}

TEST(EncodeInfer, PutsPartsTogether) {
  const CallResult result = Answered(Iris())
                                .Part(0, IrisOutputs({1}, {0.25f, 0.5f, 0.25f}))
                                .Part(1, IrisOutputs({0, 2}, {1, 0, 0, 0, 0, 1}));
  const json answer = Encoded(Request(Iris(), 3, {{.index = 0}, {.index = 1}}), result);
  EXPECT_EQ(answer["outputs"][0]["shape"], json::parse("[3]"));
  EXPECT_EQ(answer["outputs"][0]["data"], json::parse("[1, 0, 2]"));
  EXPECT_EQ(answer["outputs"][1]["shape"], json::parse("[3, 3]"));
  EXPECT_EQ(answer["outputs"][1]["data"], json::parse("[0.25, 0.5, 0.25, 1, 0, 0, 0, 0, 1]"));
  const InTwo binary = EncodedInTwo(Request(Iris(), 3, {{.index = 0, .binary = true}}), result);
  EXPECT_EQ(binary.head["outputs"][0]["parameters"]["binary_data_size"], 24);
  EXPECT_EQ(binary.binary, BytesOf<std::int64_t>({1, 0, 2}));
}

TEST(EncodeInfer, WritesBinaryOutputsBehindTheJsonInTheirOrder) {
  const InferRequest request =
      Request(Iris(), 1, {{.index = 1, .binary = true}, {.index = 0, .binary = true}});
  const InTwo answer = EncodedInTwo(
      request, Answered(request.model).Part(0, IrisOutputs({1}, {NAN, 0.5f, INFINITY})));
  EXPECT_EQ(answer.head["outputs"], json::parse(R"([
      {"name": "probabilities", "datatype": "FP32", "shape": [1, 3],
       "parameters": {"binary_data_size": 12}},
      {"name": "label", "datatype": "INT64", "shape": [1],
       "parameters": {"binary_data_size": 8}}])"));
  EXPECT_EQ(answer.binary, BytesOf<float>({NAN, 0.5f, INFINITY}) + BytesOf<std::int64_t>({1}));
}

TEST(EncodeInfer, WritesNullForNumbersThatAreNotFiniteAndSaysSo) {
  const InferRequest request = Request(Iris(), 1, {{.index = 0}, {.index = 1}});
  const json answer =
      Encoded(request, Answered(request.model).Part(0, IrisOutputs({1}, {NAN, 0.5f, -INFINITY})));
  EXPECT_EQ(answer["outputs"][1]["data"], json::parse("[null, 0.5, null]"));
  EXPECT_EQ(answer["outputs"][1]["parameters"], json::parse(R"({"nonfinite": true})"));
  EXPECT_FALSE(answer["outputs"][0].contains("parameters"));
}

TEST(EncodeInfer, LeavesOutTheRowsThatAModelWithoutABatchAxisHasNot) {
  const auto model = WholeTensor(DType::kInt32, {2, 3});
  const CallResult result =
      Answered(model).Part(0, {Tensor::Of<std::int32_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6})});
  const json answer = Encoded(Request(model, 1, {{.index = 0}}), result);
  EXPECT_EQ(answer["outputs"][0]["shape"], json::parse("[2, 3]"));
  EXPECT_EQ(answer["outputs"][0]["data"], json::parse("[1, 2, 3, 4, 5, 6]"));
  const json classes = Encoded(Request(model, 1, {{.index = 0, .classification = 1}}), result);
  EXPECT_EQ(classes["outputs"][0]["shape"], json::parse("[1]"));
  EXPECT_EQ(classes["outputs"][0]["data"], json::parse(R"(["6:5"])"));
}

TEST(EncodeInfer, WritesAnEmptyListForAnOutputWithoutElements) {
  const auto model = OneInput(DType::kFp32, {-1});
  const json answer =
      Encoded(Request(model, 2, {{.index = 0}}), Answered(model)
                                                     .Part(0, {Tensor::Of<float>({1, 0}, {})})
                                                     .Part(1, {Tensor::Of<float>({1, 0}, {})}));
  EXPECT_EQ(answer["outputs"][0]["shape"], json::parse("[2, 0]"));
  EXPECT_EQ(answer["outputs"][0]["data"], json::array());
}

TEST(EncodeInfer, NamesTheGreatestClassesOfEachRowWithTheirLabels) {
  const CallResult result = Answered(Iris())
                                .Part(0, IrisOutputs({1}, {0.25f, 0.625f, 0.125f}))
                                .Part(1, IrisOutputs({2}, {0.25f, 0.25f, 0.5f}));
  const json answer = Encoded(Request(Iris(), 2, {{.index = 1, .classification = 2}}), result);
  EXPECT_EQ(answer["outputs"][0], json::parse(R"({
      "name": "probabilities", "datatype": "BYTES", "shape": [2, 2],
      "data": ["0.625000:1:versicolor", "0.250000:0:setosa",
               "0.500000:2:virginica", "0.250000:0:setosa"]})"));
}

TEST(EncodeInfer, NamesClassesByTheirIndexWhereTheyHaveNoLabels) {
  const auto model = OneInput(DType::kUint64, {3});
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const json answer =
      Encoded(Request(model, 1, {{.index = 0, .classification = 100}}),
              Answered(model).Part(0, {Tensor::Of<std::uint64_t>({1, 3}, {7, kMost, 0})}));
  EXPECT_EQ(answer["outputs"][0]["shape"], json::parse("[1, 3]"));
  EXPECT_EQ(answer["outputs"][0]["data"],
            json::parse(R"(["18446744073709551615:1", "7:0", "0:2"])"));
}

TEST(EncodeInfer, GivesNoLabelsToAnOutputOfOtherThings) {
  const json answer = Encoded(Request(Iris(), 1, {{.index = 0, .classification = 1}}),
                              Answered(Iris()).Part(0, IrisOutputs({1}, {0, 1, 0})));
  EXPECT_EQ(answer["outputs"][0]["data"], json::parse(R"(["1:0"])"));
}

TEST(EncodeInfer, WritesClassesInBinaryToo) {
  const InTwo answer =
      EncodedInTwo(Request(Iris(), 1, {{.index = 1, .binary = true, .classification = 1}}),
                   Answered(Iris()).Part(0, IrisOutputs({1}, {0, 1, 0})));
  EXPECT_EQ(answer.head["outputs"][0]["datatype"], "BYTES");
  EXPECT_EQ(answer.binary, StringBytes({"1.000000:1:versicolor"}));
}

TEST(EncodeInfer, FailsWithTheFirstRowThatFailed) {
  const InferRequest request = Request(Iris(), 3, {{.index = 0}});
  EXPECT_EQ(Refusal(request, Answered(Iris())
                                 .Part(0, IrisOutputs({1}, {0, 1, 0}))
                                 .Failed(1, base::InvalidArgument("too odd", "INPUT_REJECTED"))
                                 .Failed(2, base::Internal("later"))),
            "INPUT_REJECTED: row 1: too odd");
  EXPECT_EQ(Refusal(Request(Iris(), 1, {{.index = 0}}),
                    Answered(Iris()).Failed(0, base::InvalidArgument("too odd", "R"))),
            "R: too odd");
  EXPECT_EQ(Refusal(request, base::Unavailable("full", "QUEUE_FULL")), "QUEUE_FULL: full");
}

TEST(EncodeInfer, FailsWhereRowsAreMissingOrOfDifferentShapes) {
  const InferRequest request = Request(Iris(), 2, {{.index = 1}});
  EXPECT_THAT(Refusal(request, Answered(Iris())), StartsWith("BACKEND_INVALID: "));
  EXPECT_THAT(Refusal(request, Answered(Iris()).Part(0, IrisOutputs({1}, {0, 1, 0}))),
              StartsWith("BACKEND_INVALID: "));
  EXPECT_THAT(Refusal(request, Answered(Iris())
                                   .Part(0, IrisOutputs({1}, {0, 1, 0}))
                                   .Part(0, IrisOutputs({1}, {0, 1, 0}))),
              StartsWith("BACKEND_INVALID: "));
  const auto open = OneInput(DType::kFp32, {-1});
  EXPECT_THAT(
      Refusal(Request(open, 2, {{.index = 0}}), Answered(open)
                                                    .Part(0, {Tensor::Of<float>({1, 1}, {1})})
                                                    .Part(1, {Tensor::Of<float>({1, 2}, {1, 2})})),
      HasSubstr("output `y`: the rows of this request have different shapes"));
}

/// An element list of each type that JSON has, with its extremes.
struct TypeCase {
  DType dtype;
  std::string_view data;  // two elements
};
constexpr TypeCase kJsonTypes[] = {
    {DType::kBool, "[true,false]"},
    {DType::kUint8, "[0,255]"},
    {DType::kUint16, "[0,65535]"},
    {DType::kUint32, "[0,4294967295]"},
    {DType::kUint64, "[0,18446744073709551615]"},
    {DType::kInt8, "[-128,127]"},
    {DType::kInt16, "[-32768,32767]"},
    {DType::kInt32, "[-2147483648,2147483647]"},
    {DType::kInt64, "[-9223372036854775808,9223372036854775807]"},
    {DType::kFp32, "[-0.1,3.4028235e+38]"},
    {DType::kFp64, "[5e-324,1.7976931348623157e+308]"},
    {DType::kBytes, R"(["","a\u0000\"é"])"},
};

TEST(InferRoundTrip, KeepsEveryTypeInJson) {
  for (const TypeCase& c : kJsonTypes) {
    const auto model = OneInput(c.dtype, {2});
    const InferRequest request = Decoded(model, OneInputText(tensor::DTypeName(c.dtype), "[1,2]",
                                                             R"("data":)" + std::string(c.data)));
    ASSERT_EQ(request.inputs.size(), 1u) << c.data;
    const json answer = Encoded(request, Answered(model).Part(0, {request.inputs[0]}));
    EXPECT_EQ(answer["outputs"][0]["datatype"], std::string(tensor::DTypeName(c.dtype)));
    EXPECT_EQ(answer["outputs"][0]["data"], json::parse(c.data));
  }
}

TEST(InferRoundTrip, KeepsEveryBitOfEveryTypeInBinary) {
  for (const DType dtype :
       {DType::kBool, DType::kUint8, DType::kUint16, DType::kUint32, DType::kUint64, DType::kInt8,
        DType::kInt16, DType::kInt32, DType::kInt64, DType::kFp16, DType::kBf16, DType::kFp32,
        DType::kFp64, DType::kBytes}) {
    std::string bytes(3 * 2 * tensor::DTypeSize(dtype), '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(dtype == DType::kBool ? i % 2 : 255 - i);
    }
    if (dtype == DType::kBytes) {
      bytes = StringBytes({"", "a", std::string("\0\xff", 2), "d", "é", std::string(300, 'x')});
    }
    const auto model = OneInput(dtype, {2});
    std::string text =
        OneInputText(tensor::DTypeName(dtype), "[3,2]", BinarySizeText(bytes.size()));
    text.insert(1, R"("parameters":{"binary_data_output":true},)");
    const InferRequest request = Decoded(model, text, bytes);
    ASSERT_EQ(request.inputs.size(), 1u) << tensor::DTypeName(dtype);
    EXPECT_EQ(request.inputs[0].dtype(), dtype);
    const InTwo answer = EncodedInTwo(request, Answered(model)
                                                   .Part(0, {request.inputs[0].Rows(0, 1)})
                                                   .Part(1, {request.inputs[0].Rows(1, 2)}));
    EXPECT_EQ(answer.binary, bytes) << tensor::DTypeName(dtype);
    EXPECT_EQ(answer.head["outputs"][0]["parameters"]["binary_data_size"], bytes.size());
  }
}

}  // namespace
}  // namespace muster::server::codec
