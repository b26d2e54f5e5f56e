#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <thread>

#include "muster/backends/onnx/internal/onnx_session.h"
#include "muster/backends/onnx/testing/onnx_testing.h"
#include "muster/backends/onnx/testing/tiny_model.h"
#include "muster/model/conformance.h"

namespace muster::backends::onnx {
namespace {

using base::Code;
using model::RunAndWait;
using tensor::Tensor;
using tiny::Graph;
using tiny::Node;
using tiny::TensorType;
using tiny::Value;

class OnnxUnderTest : public model::ModelUnderTest {
 public:
  std::unique_ptr<model::Model> Doubling() override { return Load(TestModel("doubling")); }
  std::unique_ptr<model::Model> FailingOnMarkedRow() override {
    return Load(TestModel("fails_on_marked_row"));
  }
  std::unique_ptr<model::Model> FixedBatchOfFour() override {
    return Load(TestModel("fixed_batch"));
  }
};

}  // namespace
}  // namespace muster::backends::onnx

namespace muster::model {
INSTANTIATE_TEST_SUITE_P(Onnx, ModelConformance,
                         testing::Values(ModelMaker{
                             "Onnx",
                             [] { return std::make_unique<backends::onnx::OnnxUnderTest>(); }}));
}  // namespace muster::model

namespace muster::backends::onnx {
namespace {

std::unique_ptr<model::Model> Make(const Graph& graph) {
  auto model = LoadBytes(graph.Model());
  MUSTER_CHECK(model.has_value(), model.error().message);
  return *std::move(model);
}

TEST(OnnxModel, LoadsFromBytesAsFromAFile) {
  const std::string bytes = ReadFile(Example("iris"));
  const auto from_bytes = LoadBytes(bytes);
  ASSERT_TRUE(from_bytes) << from_bytes.error().message;
  const Tensor row = Tensor::Of<float>({1, 4}, {5.1F, 3.5F, 1.4F, 0.2F});
  const auto a = RunOnce(**from_bytes, {row});
  const auto b = RunOnce(*Load(Example("iris")), {row});
  EXPECT_EQ(Values<float>(a->at(1)), Values<float>(b->at(1)));
}

TEST(OnnxModel, GivesTheSameOnOneThreadAndOnTwo) {
  const auto one = Load(Example("breast_cancer_mlp"));
  const auto two =
      Loader().Load({.path = Example("breast_cancer_mlp"), .bytes = {}}, {.threads = 2});
  ASSERT_TRUE(two) << two.error().message;
  const Tensor rows = Tensor::Of<float>({64, 30}, std::vector<float>(64 * 30, 1.5F));
  EXPECT_EQ(Values<std::int64_t>(RunOnce(*one, {rows})->at(0)),
            Values<std::int64_t>(RunOnce(**two, {rows})->at(0)));
}

TEST(OnnxModel, GivesAnInputThatIsAnOutputAsAViewOfIt) {
  const auto model = Make({.nodes = {Node("Neg", {"x"}, {"y"})},
                           .inputs = {Value("x", TensorType(tiny::kFloat, {"N", "2"}))},
                           .outputs = {Value("y", TensorType(tiny::kFloat, {"N", "2"})),
                                       Value("x", TensorType(tiny::kFloat, {"N", "2"}))}});
  base::Result<std::vector<Tensor>> outputs = base::Internal("not run");
  {
    const Tensor x = Tensor::Of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
    outputs = RunOnce(*model, {x.Rows(1, 2)});
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(outputs->at(1).bytes(), x.Rows(1, 2).bytes());
  }
  EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{-3, -4, -5, -6}));
  EXPECT_EQ(Values<float>(outputs->at(1)), (std::vector<float>{3, 4, 5, 6}));
}

TEST(OnnxModel, KeepsAConstantOutputWhenItIsGone) {
  auto model = Make({.nodes = {Node("Neg", {"x"}, {"y"})},
                     .inputs = {Value("x", TensorType(tiny::kFloat, {"N"}))},
                     .outputs = {Value("y", TensorType(tiny::kFloat, {"N"})),
                                 Value("c", TensorType(tiny::kFloat, {"2"}))},
                     .constants = {tiny::Constant<float>("c", tiny::kFloat, {2}, {7, 8})}});
  const auto outputs = RunOnce(*model, {Tensor::Of<float>({1}, {1})});
  model.reset();
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(Values<float>(outputs->at(1)), (std::vector<float>{7, 8}));
}

TEST(OnnxModel, AnswersARunOfNoRows) {
  const auto model = Load(TestModel("doubling"));
  const auto outputs = RunOnce(*model, {Tensor::Allocate(tensor::DType::kFp32, {0, 3})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(outputs->at(0).shape(), (tensor::Shape{0, 3}));
}

TEST(OnnxModel, RefusesInputsThatAreNotItsOwn) {
  const auto model = Load(TestModel("two_inputs"));
  const auto instance = *model->NewInstance({});
  const Tensor age = Tensor::Of<float>({1, 1}, {4}), income = Tensor::Of<float>({1, 2}, {4, 8});
  const std::vector<std::vector<Tensor>> wrong = {
      {},
      {age},
      {age, income, age},
      {income, age},
      {age, Tensor::Of<double>({1, 2}, {4, 8})},
      {age, Tensor::Of<std::string>({1, 2}, {"4", "8"})},
      {age, Tensor::Of<float>({2}, {4, 8})},
  };
  for (const auto& inputs : wrong) {
    const auto refused = RunAndWait(*instance, inputs);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  }
  const auto outputs = RunAndWait(*instance, std::vector{age, income});
  ASSERT_TRUE(outputs);
  EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{5}));
}

TEST(OnnxModel, SaysWhichNodeFailedAndWhy) {
  const auto model = Make({.nodes = {Node("Reshape", {"x", "shape"}, {"y"}, {}, "", "fold")},
                           .inputs = {Value("x", TensorType(tiny::kFloat, {"N"})),
                                      Value("shape", TensorType(tiny::kInt64, {"K"}))},
                           .outputs = {Value("y", TensorType(tiny::kFloat, {"", ""}))}});
  const auto failed =
      RunOnce(*model, {Tensor::Of<float>({3}, {1, 2, 3}), Tensor::Of<std::int64_t>({2}, {2, 2})});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInvalidArgument);
  EXPECT_TRUE(failed.error().message.starts_with("the model failed at node `fold` (Reshape): "))
      << failed.error().message;
  EXPECT_EQ(failed.error().message.find('/'), std::string::npos) << failed.error().message;
}

TEST(OnnxModel, BlamesMemoryAndGoesOnWhereARunNeedsTooMuch) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizers' allocators end the program instead";
#endif
  const auto model = Make({.nodes = {Node("ConstantOfShape", {"shape"}, {"y"})},
                           .inputs = {Value("shape", TensorType(tiny::kInt64, {"1"}))},
                           .outputs = {Value("y", TensorType(tiny::kFloat, {""}))}});
  const auto instance = *model->NewInstance({});
  const Tensor too_much = Tensor::Of<std::int64_t>({1}, {std::int64_t{1} << 46});
  const auto failed = RunAndWait(*instance, std::span(&too_much, 1));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kResourceExhausted) << failed.error().message;
  const Tensor little = Tensor::Of<std::int64_t>({1}, {2});
  const auto outputs = RunAndWait(*instance, std::span(&little, 1));
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{0, 0}));
}

// --- Cancelling

/// y = x after `steps` turns of a loop: with enough of them it ends by being cancelled only.
Graph Loop() {
  const Graph body = {
      .nodes = {Node("Identity", {"go"}, {"go_on"}), Node("Identity", {"v"}, {"v_next"})},
      .inputs = {Value("step", TensorType(tiny::kInt64, {})),
                 Value("go", TensorType(tiny::kBool, {})),
                 Value("v", TensorType(tiny::kFloat, {}))},
      .outputs = {Value("go_on", TensorType(tiny::kBool, {})),
                  Value("v_next", TensorType(tiny::kFloat, {}))}};
  return {.nodes = {Node("Loop", {"steps", "", "x"}, {"y"},
                         {tiny::GraphAttribute("body", body.Message())})},
          .inputs = {Value("steps", TensorType(tiny::kInt64, {})),
                     Value("x", TensorType(tiny::kFloat, {}))},
          .outputs = {Value("y", TensorType(tiny::kFloat, {}))}};
}

std::vector<Tensor> LoopInputs(std::int64_t steps) {
  return {Tensor::Of<std::int64_t>({}, {steps}), Tensor::Of<float>({}, {3})};
}
constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

/// Calls Cancel until it has had its effect: whether Start has begun cannot be seen from outside.
class Canceller {
 public:
  Canceller(model::Instance& instance, model::RunId run, model::CountingSink& sink)
      : thread_([&instance, run, &sink] {
          while (sink.count() == 0) instance.Cancel(run);
        }) {}

 private:
  std::jthread thread_;
};

TEST(OnnxModel, EndsARunThatIsCancelledAndRunsAgain) {
  const auto model = Make(Loop());
  const auto instance = *model->NewInstance({});
  for (model::RunId run = 1; run <= 3; ++run) {
    model::CountingSink endless, short_one;
    {
      const Canceller canceller(*instance, run, endless);
      instance->Start(run, LoopInputs(kForEver), endless);
    }
    EXPECT_EQ(endless.Await().error().code, Code::kCancelled);
    instance->Start(run, LoopInputs(1), short_one);
    const auto outputs = short_one.Await();
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(Values<float>(outputs->at(0)), (std::vector<float>{3}));
  }
}

TEST(OnnxModel, CancelsOneInstanceAndNoOther) {
  const auto model = Make(Loop());
  const auto cancelled = *model->NewInstance({});
  const auto other = *model->NewInstance({});
  model::CountingSink endless;
  const Canceller canceller(*cancelled, 1, endless);
  std::jthread runs([&] { cancelled->Start(1, LoopInputs(kForEver), endless); });
  for (int i = 0; i < 20; ++i) {
    model::CountingSink sink;
    other->Start(1, LoopInputs(10), sink);
    EXPECT_TRUE(sink.Await());
  }
}

}  // namespace
}  // namespace muster::backends::onnx
