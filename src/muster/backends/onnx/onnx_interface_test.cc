#include <cstring>
#include <gtest/gtest.h>

#include "muster/backends/onnx/internal/onnx_session.h"
#include "muster/backends/onnx/testing/onnx_testing.h"
#include "muster/backends/onnx/testing/tiny_model.h"
#include "muster/model/layout.h"

namespace muster::backends::onnx {
namespace {

using base::Code;
using model::BatchAxis;
using tensor::DType;
using tensor::Tensor;
using tiny::Graph;
using tiny::Node;
using tiny::TensorType;
using tiny::Value;

/// y = x, both of one type.
Graph Identity(const Proto& type) {
  return {.nodes = {Node("Identity", {"x"}, {"y"})},
          .inputs = {Value("x", type)},
          .outputs = {Value("y", type)}};
}

base::Error LoadError(const Graph& graph) {
  const auto model = LoadBytes(graph.Model());
  return model ? base::Internal("it was loaded") : model.error();
}

// --- Tensors

TEST(OnnxInterface, ReadsNamesTypesAndSymbolicAxes) {
  const auto model = Load(Example("iris"));
  const model::ModelSpec& spec = model->spec();
  ASSERT_EQ(spec.inputs.size(), 1u);
  EXPECT_EQ(spec.inputs[0].name, "features");
  EXPECT_EQ(spec.inputs[0].ToString(), "FP32 [N, 4]");
  ASSERT_EQ(spec.outputs.size(), 2u);
  EXPECT_EQ(spec.outputs[0].ToString(), "INT64 [N]");
  EXPECT_EQ(spec.outputs[1].ToString(), "FP32 [N, 3]");
  EXPECT_EQ(spec.batch_axis, BatchAxis::kDynamic);
  EXPECT_EQ(spec.producer, "skl2onnx");
  EXPECT_EQ(spec.format, "onnx");
}

TEST(OnnxInterface, ReadsUnnamedAxesAndTheModelsDescription) {
  const auto model = LoadBytes(Identity(TensorType(tiny::kFloat, {"", "L", "2"})).Model());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->spec().inputs[0].ToString(), "FP32 [?, L, 2]");
  EXPECT_EQ((*model)->spec().description, "a model of a test");
  EXPECT_EQ((*model)->spec().producer, "tiny");
}

TEST(OnnxInterface, KnowsAFixedBatch) {
  EXPECT_EQ(Load(TestModel("fixed_batch"))->spec().fixed_batch, 4);
  EXPECT_EQ(Load(TestModel("fixed_one"))->spec().fixed_batch, 1);
}

TEST(OnnxInterface, LeavesOptionalInitializersOut) {
  const Proto type = TensorType(tiny::kFloat, {"1"});
  const auto model =
      LoadBytes(Graph{.nodes = {Node("Mul", {"x", "w"}, {"y"})},
                      .inputs = {Value("x", TensorType(tiny::kFloat, {"N"})), Value("w", type)},
                      .outputs = {Value("y", TensorType(tiny::kFloat, {"N"}))},
                      .constants = {tiny::Constant<float>("w", tiny::kFloat, {1}, {5})}}
                    .Model());
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ((*model)->spec().inputs.size(), 1u);
  const auto outputs = RunOnce(**model, {Tensor::Of<float>({2}, {1, 2})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{5, 10}));
}

struct TypeCase {
  int onnx;
  DType ours;
};
class OnnxTypes : public testing::TestWithParam<TypeCase> {};

TEST_P(OnnxTypes, PassUnharmed) {
  const auto model = LoadBytes(Identity(TensorType(GetParam().onnx, {"N", "2"})).Model());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->spec().inputs[0].dtype, GetParam().ours);
  EXPECT_EQ((*model)->spec().outputs[0].dtype, GetParam().ours);
  const Tensor x = Tensor::Allocate(GetParam().ours, {3, 2});
  for (std::size_t i = 0; i < x.byte_size(); ++i) x.bytes()[i] = static_cast<std::byte>(i % 2);
  const auto outputs = RunOnce(**model, {x});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(outputs->at(0).dtype(), GetParam().ours);
  EXPECT_EQ(outputs->at(0).shape(), x.shape());
  EXPECT_EQ(std::memcmp(outputs->at(0).bytes(), x.bytes(), x.byte_size()), 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, OnnxTypes,
    testing::Values(TypeCase{tiny::kBool, DType::kBool}, TypeCase{tiny::kUint8, DType::kUint8},
                    TypeCase{tiny::kUint16, DType::kUint16},
                    TypeCase{tiny::kUint32, DType::kUint32},
                    TypeCase{tiny::kUint64, DType::kUint64}, TypeCase{tiny::kInt8, DType::kInt8},
                    TypeCase{tiny::kInt16, DType::kInt16}, TypeCase{tiny::kInt32, DType::kInt32},
                    TypeCase{tiny::kInt64, DType::kInt64}, TypeCase{tiny::kHalf, DType::kFp16},
                    TypeCase{tiny::kBfloat16, DType::kBf16}, TypeCase{tiny::kFloat, DType::kFp32},
                    TypeCase{tiny::kDouble, DType::kFp64}),
    [](const auto& info) { return std::string(tensor::DTypeName(info.param.ours)); });

TEST(OnnxStrings, PassWithAnyBytes) {
  const auto model = Load(TestModel("string_input"));
  const std::vector<std::string> strings = {"green", std::string("a\0b", 3),   "", "\xff\xfe",
                                            "żółty", std::string(100'000, 'x')};
  const auto outputs = RunOnce(*model, {Tensor::Of<std::string>({6, 1}, strings)});
  ASSERT_TRUE(outputs) << outputs.error().message;
  const auto code = static_cast<std::size_t>(model->spec().FindOutput("code"));
  const auto echo = static_cast<std::size_t>(model->spec().FindOutput("echo"));
  EXPECT_EQ(Values<std::int64_t>(outputs->at(code)),
            (std::vector<std::int64_t>{1, -1, -1, -1, 3, -1}));
  EXPECT_EQ(Values<std::string>(outputs->at(echo)), strings);
}

TEST(OnnxStrings, MayBeNone) {
  const auto model = Load(TestModel("string_input"));
  const auto outputs = RunOnce(*model, {Tensor::Of<std::string>({0, 1}, {})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  for (const Tensor& output : *outputs) EXPECT_EQ(output.rows(), 0);
}

TEST(OnnxStrings, AreReadAnewInEveryRun) {
  const auto model = Load(TestModel("string_input"));
  const auto instance = *model->NewInstance({});
  const Tensor x = Tensor::Of<std::string>({1, 1}, {"red"});
  for (const auto& [word, code] : {std::pair("red", 0), std::pair("blue", 2)}) {
    x.data<std::string>()[0] = word;
    const auto outputs = model::RunAndWait(*instance, std::span(&x, 1));
    ASSERT_TRUE(outputs);
    EXPECT_EQ(Values<std::int64_t>(outputs->at(0)), (std::vector<std::int64_t>{code}));
  }
}

// --- Types that are refused

TEST(OnnxInterface, RefusesElementTypesTheProtocolLacksByName) {
  EXPECT_EQ(LoadError(Identity(TensorType(tiny::kFloat8, {"N"}))).ToString(),
            "INVALID_ARGUMENT: bytes: input `x`: element type FLOAT8E4M3FN is not supported");
}

TEST(OnnxInterface, RefusesSequencesOfTensorsByName) {
  const Proto tensors = tiny::SequenceType(TensorType(tiny::kFloat, {"N"}));
  EXPECT_EQ(LoadError(Identity(tensors)).ToString(),
            "INVALID_ARGUMENT: bytes: input `x` is a sequence; only tensors are supported");
  EXPECT_EQ(LoadError({.nodes = {Node("SequenceConstruct", {"x"}, {"y"})},
                       .inputs = {Value("x", TensorType(tiny::kFloat, {"N"}))},
                       .outputs = {Value("y", tensors)}})
                .ToString(),
            "INVALID_ARGUMENT: bytes: output `y`: a sequence of anything but maps to FP32 is not "
            "supported");
}

TEST(OnnxInterface, RefusesOptionalValuesByName) {
  const Proto optional = tiny::OptionalType(TensorType(tiny::kFloat, {"N"}));
  EXPECT_EQ(LoadError({.nodes = {Node("Optional", {"x"}, {"y"})},
                       .inputs = {Value("x", TensorType(tiny::kFloat, {"N"}))},
                       .outputs = {Value("y", optional)}})
                .ToString(),
            "INVALID_ARGUMENT: bytes: output `y` is an optional value; only tensors and maps to "
            "FP32 are supported");
}

// --- Maps

Proto MapsOf(int key) {
  return tiny::SequenceType(tiny::MapType(key, TensorType(tiny::kFloat, {})));
}

/// Two scores from three features, in maps from -1 and 7; the features' axis is `features`.
Graph ZipMap(std::string_view features) {
  return {.nodes = {Node("MatMul", {"x", "w"}, {"scores"}),
                    Node("ZipMap", {"scores"}, {"y"},
                         {tiny::IntsAttribute("classlabels_int64s", {7, -1})}, "ai.onnx.ml")},
          .inputs = {Value("x", TensorType(tiny::kFloat, {"N", features}))},
          .outputs = {Value("y", MapsOf(tiny::kInt64))},
          .constants = {tiny::Constant<float>("w", tiny::kFloat, {3, 2}, {1, 10, 2, 20, 3, 30})}};
}

TEST(OnnxMaps, BecomePlainProbabilitiesWithLabels) {
  for (const std::string name : {"zipmap", "zipmap_strings"}) {
    const auto model = Load(TestModel(name));
    const model::ModelSpec& spec = model->spec();
    const int p = spec.FindOutput("output_probability");
    ASSERT_GE(p, 0);
    EXPECT_EQ(spec.outputs[static_cast<std::size_t>(p)].ToString(), "FP32 [N, 3]");
    EXPECT_EQ(model::DeriveLayout(spec).probabilities, p);
  }
  EXPECT_EQ(Load(TestModel("zipmap"))->spec().labels, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(Load(TestModel("zipmap_strings"))->spec().labels,
            (std::vector<std::string>{"setosa", "versicolor", "virginica"}));
}

TEST(OnnxMaps, KeepValuesWithTheirKeys) {
  for (const char* features : {"3", "F"}) {  // an open axis is found by trying
    const auto model = LoadBytes(ZipMap(features).Model());
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->spec().labels, (std::vector<std::string>{"-1", "7"}));
    EXPECT_EQ((*model)->spec().outputs[0].ToString(), "FP32 [N, 2]");
    const auto outputs = RunOnce(**model, {Tensor::Of<float>({2, 3}, {1, 0, 0, 0, 1, 1})});
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(outputs->at(0).shape(), (tensor::Shape{2, 2}));
    EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{10, 1, 50, 5}));
  }
}

TEST(OnnxMaps, StayOpenWhereTheModelRefusesEveryProbe) {
  // The largest extent that is tried is smaller.
  Graph graph = ZipMap("F");
  graph.constants = {Proto()
                         .Int(1, 300)
                         .Int(1, 2)
                         .Int(2, tiny::kFloat)
                         .Text(8, "w")
                         .Text(9, std::string(300 * 2 * sizeof(float), '\0'))};
  const auto model = LoadBytes(graph.Model());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_TRUE((*model)->spec().labels.empty());
  EXPECT_EQ((*model)->spec().outputs[0].ToString(), "FP32 [N, ?]");
  const auto outputs = RunOnce(**model, {Tensor::Of<float>({1, 300}, std::vector<float>(300, 1))});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{0, 0}));
}

TEST(OnnxMaps, MustHaveTheKeysTheyHadAtLoad) {
  const RuntimePtr runtime = *OpenRuntime(Library());
  const std::string bytes = ZipMap("3").Model();
  OrtSessionOptions* options = nullptr;
  OrtSession* raw = nullptr;
  ASSERT_TRUE(runtime->Check(runtime->api->CreateSessionOptions(&options)));
  const OptionsHandle handle(options, {runtime->api});
  ASSERT_TRUE(runtime->Check(runtime->api->CreateSessionFromArray(runtime->env, bytes.data(),
                                                                  bytes.size(), options, &raw)));
  auto session = std::make_shared<OnnxSession>(
      OnnxSession{runtime, SessionHandle(raw, {runtime->api}), {}, {"x"}, {"y"}, {}});
  session->face = *ReadInterface(*runtime, raw);
  session->keys = {{"-1", "8"}};
  const auto failed = RunOnce(*MakeModel(session), {Tensor::Of<float>({1, 3}, {1, 0, 0})});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().ToString(),
            "INTERNAL (BACKEND_INVALID): output `y` has other keys than at load");
}

}  // namespace
}  // namespace muster::backends::onnx
