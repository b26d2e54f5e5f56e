#include <chrono>
#include <cmath>
#include <cstring>
#include <gmock/gmock.h>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/infer_test_support.h"

namespace muster::server::codec {
namespace {

using namespace std::chrono_literals;
using tensor::DType;
using testing::StartsWith;

TEST(DecodeInfer, ReadsEveryFieldOfARequest) {
  const InferRequest request = Decoded(Iris(), R"({
      "id": "r-1",
      "parameters": {"priority": 1, "timeout": 2500, "unknown": [{}]},
      "inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32",
                  "parameters": {"unknown": 1}, "data": [1, 2, 3, 4, 5, 6, 7, 8]}],
      "outputs": [{"name": "probabilities", "parameters": {"classification": 2}},
                  {"name": "label", "parameters": {"binary_data": true}}]})");
  EXPECT_EQ(request.id, "r-1");
  EXPECT_EQ(request.model->name, "iris");
  EXPECT_EQ(request.priority, 1);
  EXPECT_EQ(request.timeout, base::Duration(2500us));
  EXPECT_EQ(request.rows, 2);
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(request.inputs[0].shape(), (tensor::Shape{2, 4}));
  EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  ASSERT_EQ(request.outputs.size(), 2u);
  EXPECT_EQ(request.outputs[0].index, 1);
  EXPECT_EQ(request.outputs[0].classification, 2);
  EXPECT_FALSE(request.outputs[0].binary);
  EXPECT_EQ(request.outputs[1].index, 0);
  EXPECT_EQ(request.outputs[1].classification, 0);
  EXPECT_TRUE(request.outputs[1].binary);
}

TEST(DecodeInfer, AsksForAllOutputsWhereNoneIsNamed) {
  for (const std::string_view outputs : {"", R"(,"outputs":[])", R"(,"outputs":null)"}) {
    std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
    text.insert(text.size() - 1, outputs);
    const InferRequest request = Decoded(Iris(), text);
    ASSERT_EQ(request.outputs.size(), 2u) << text;
    EXPECT_EQ(request.outputs[0].index, 0);
    EXPECT_EQ(request.outputs[1].index, 1);
    EXPECT_FALSE(request.outputs[0].binary);
    EXPECT_TRUE(request.id.empty());
    EXPECT_EQ(request.priority, 0);
    EXPECT_FALSE(request.timeout);
  }
}

TEST(DecodeInfer, TakesBinaryOutputsFromTheRequestUnlessTheySayThemselves) {
  std::string text = Fp32Text("[1,4]", "[1,2,3,4]");
  text.insert(1, R"("outputs":[{"name":"label"},
      {"name":"probabilities","parameters":{"binary_data":false}}],
      "parameters":{"binary_data_output":true},)");
  const InferRequest request = Decoded(Iris(), text);
  ASSERT_EQ(request.outputs.size(), 2u);
  EXPECT_TRUE(request.outputs[0].binary);
  EXPECT_FALSE(request.outputs[1].binary);
}

TEST(DecodeInfer, TakesDataNestedAsTheShapeIsOrFlat) {
  const auto model = OneInput(DType::kInt32, {2, 2});
  const std::vector<std::int32_t> expected = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const std::string_view data : {"[1,2,3,4,5,6,7,8]", "[[[1,2],[3,4]],[[5,6],[7,8]]]"}) {
    const InferRequest request =
        Decoded(model, OneInputText("INT32", "[2,2,2]", R"("data":)" + std::string(data)));
    ASSERT_EQ(request.inputs.size(), 1u);
    EXPECT_EQ(Values<std::int32_t>(request.inputs[0]), expected) << data;
  }
}

TEST(DecodeInfer, TakesTheFieldsOfAnInputInAnyOrder) {
  const InferRequest request = Decoded(
      Iris(), R"({"inputs":[{"data":[1,2,3,4],"shape":[1,4],"name":"x","datatype":"FP32"}]})");
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{1, 2, 3, 4}));
}

TEST(DecodeInfer, PutsInputsInTheModelsOrder) {
  const InferRequest request = Decoded(TwoInputs(), R"({"inputs":[
      {"name":"b","datatype":"INT64","shape":[2],"data":[5,6]},
      {"name":"a","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]})");
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].dtype(), DType::kFp32);
  EXPECT_EQ(Values<std::int64_t>(request.inputs[1]), (std::vector<std::int64_t>{5, 6}));
}

TEST(DecodeInfer, CutsTheBinaryPartInTheOrderOfTheRequest) {
  const std::string json = Padded(R"({"inputs":[
      {"name":"b","datatype":"INT64","shape":[2],"parameters":{"binary_data_size":16}},
      {"name":"a","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}]})");
  const InferRequest request =
      Decoded(TwoInputs(), json, BytesOf<std::int64_t>({5, 6}) + BytesOf<float>({1, 2, 3, 4}));
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(Values<std::int64_t>(request.inputs[1]), (std::vector<std::int64_t>{5, 6}));
}

TEST(DecodeInfer, TakesInputsInJsonAndInBinarySideBySide) {
  const std::string json = R"({"inputs":[
      {"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]},
      {"name":"b","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}}]})";
  const InferRequest request = Decoded(TwoInputs(), json, BytesOf<std::int64_t>({7}));
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(Values<std::int64_t>(request.inputs[1]), (std::vector<std::int64_t>{7}));
}

TEST(DecodeInfer, SharesTheBodyWhereTheBytesAreAligned) {
  const std::string json = Padded(OneInputText("FP32", "[1,4]", BinarySizeText(16)));
  const tensor::BufferRef body = InferBody(json, BytesOf<float>({1, 2, 3, 4}));
  const auto request = DecodeInfer(body, json.size(), Iris(), {});
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request->inputs[0].bytes(), body.data() + json.size());
}

TEST(DecodeInfer, CopiesBytesThatAreNotAligned) {
  for (std::size_t by = 1; by < 8; ++by) {
    const std::string json = Padded(OneInputText("FP64", "[1,2]", BinarySizeText(16)), by);
    const InferRequest request =
        Decoded(OneInput(DType::kFp64, {2}), json, BytesOf<double>({1.5, -0.0}));
    ASSERT_EQ(request.inputs.size(), 1u);
    EXPECT_EQ(Values<double>(request.inputs[0]), (std::vector<double>{1.5, -0.0}));
    EXPECT_TRUE(std::signbit(request.inputs[0].data<double>()[1]));
  }
}

TEST(DecodeInfer, PassesNumbersInBinaryThatJsonHasNot) {
  const std::string json = OneInputText("FP32", "[1,4]", BinarySizeText(16));
  const InferRequest request =
      Decoded(Iris(), json, BytesOf<float>({NAN, INFINITY, -INFINITY, 1e-45f}));
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_TRUE(std::isnan(request.inputs[0].data<float>()[0]));
  EXPECT_EQ(request.inputs[0].data<float>()[3], 1e-45f);
}

TEST(DecodeInfer, TakesAnyNumberOfRowsWhereARunTakesAFixedOne) {
  auto model = FakeVersion("m", {Spec("x", DType::kFp32, {8, 2})}, {Spec("y", DType::kFp32, {8})});
  const InferRequest request = Decoded(model, Fp32Text("[1,2]", "[1,2]"));
  EXPECT_EQ(request.rows, 1);
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(request.inputs[0].shape(), (tensor::Shape{1, 2}));
}

TEST(DecodeInfer, TakesTheWholeTensorAsOneRowWhereThereIsNoBatchAxis) {
  const InferRequest request =
      Decoded(WholeTensor(DType::kFp32, {3, -1}), Fp32Text("[3,2]", "[[1,2],[3,4],[5,6]]"));
  EXPECT_EQ(request.rows, 1);
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(request.inputs[0].shape(), (tensor::Shape{1, 3, 2}));
  EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(DecodeInfer, TakesAScalarWhereTheModelHasOne) {
  for (const std::string_view data : {"5", "[5]"}) {
    const InferRequest request = Decoded(WholeTensor(DType::kFp32, {}), Fp32Text("[]", data));
    ASSERT_EQ(request.inputs.size(), 1u);
    EXPECT_EQ(request.inputs[0].shape(), (tensor::Shape{1}));
    EXPECT_EQ(Values<float>(request.inputs[0]), (std::vector<float>{5}));
  }
}

TEST(DecodeInfer, TakesATensorWithoutElementsWhereTheModelLeavesTheAxisOpen) {
  const auto model = OneInput(DType::kFp32, {-1, 4});
  for (const std::string_view data : {"[]", "[[],[]]"}) {
    const InferRequest request = Decoded(model, Fp32Text("[2,0,4]", data));
    ASSERT_EQ(request.inputs.size(), 1u);
    EXPECT_EQ(request.inputs[0].shape(), (tensor::Shape{2, 0, 4}));
  }
  EXPECT_THAT(Refusal(Iris(), Fp32Text("[2,0]", "[]")), StartsWith("SHAPE: input `x`"));
  // Nothing of it would have to come, and a batch of them could not even be counted.
  EXPECT_THAT(Refusal(OneInput(DType::kFp32, {-1, -1}), Fp32Text("[1,0,1000000000]", "[]")),
              StartsWith("SHAPE: input `x`"));
}

TEST(DecodeInfer, TakesARawBodyAsTheOnlyInputAndAnswersInBinary) {
  const auto request =
      DecodeInfer(InferBody("", BytesOf<float>({1, 2, 3, 4, 5, 6, 7, 8})), 0, Iris(), {});
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request->rows, 2);
  EXPECT_EQ(request->inputs[0].shape(), (tensor::Shape{2, 4}));
  ASSERT_EQ(request->outputs.size(), 2u);
  EXPECT_TRUE(request->outputs[0].binary && request->outputs[1].binary);
}

TEST(DecodeInfer, OrdersPrioritiesAsTheProtocolDoes) {
  EXPECT_EQ(PriorityOfLevel(0), 0);
  EXPECT_GT(PriorityOfLevel(1), PriorityOfLevel(0));
  EXPECT_EQ(PriorityOfLevel(2), PriorityOfLevel(0));
  EXPECT_LT(PriorityOfLevel(3), PriorityOfLevel(0));
  EXPECT_GT(PriorityOfLevel(3), PriorityOfLevel(4));
  EXPECT_GE(PriorityOfLevel(4), PriorityOfLevel(UINT64_MAX));
}

TEST(DecodeInfer, BoundsTimeoutsByTheLimit) {
  const DecodeLimits limits{.max_timeout = 10ms};
  EXPECT_FALSE(TimeoutOfMicros(0, limits));
  EXPECT_EQ(TimeoutOfMicros(1, limits), base::Duration(1us));
  EXPECT_EQ(TimeoutOfMicros(10'001, limits), base::Duration(10ms));
  EXPECT_EQ(TimeoutOfMicros(UINT64_MAX, limits), base::Duration(10ms));
}

}  // namespace
}  // namespace muster::server::codec
