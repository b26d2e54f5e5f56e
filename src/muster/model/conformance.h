#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "muster/model/model.h"

namespace muster::model {

/// What a backend gives the suite below, which every Model must pass. Each call makes a fresh
/// model.
struct ModelUnderTest {
  /// Input FP32 [N, 3], output FP32 [N, 3] = 2·x, any N.
  std::function<std::unique_ptr<Model>()> doubling;
  /// The same, but a run with a row whose first number is -999 fails.
  std::function<std::unique_ptr<Model>()> failing_on_marked_row;
  /// As doubling, but every run has exactly 4 rows.
  std::function<std::unique_ptr<Model>()> fixed_batch_of_four;
};

/// In a header, so that no linker drops the tests of a library nobody refers to. A backend's test
/// program instantiates it:
///   INSTANTIATE_TEST_SUITE_P(Fake, ModelConformance, testing::Values(...));
class ModelConformance : public testing::TestWithParam<ModelUnderTest> {
 protected:
  static constexpr float kMarked = -999;

  static std::unique_ptr<Instance> NewInstance(Model& model) {
    auto instance = model.NewInstance({});
    EXPECT_TRUE(instance);
    return *std::move(instance);
  }
  static tensor::Tensor Rows(std::int64_t n, float first = 1) {
    std::vector<float> x;
    for (std::int64_t i = 0; i < 3 * n; ++i) x.push_back(first + static_cast<float>(i) / 8);
    return tensor::Tensor::Of<float>({n, 3}, x);
  }
  static std::vector<float> Floats(const tensor::Tensor& t) {
    const auto data = t.data<const float>();
    return {data.begin(), data.end()};
  }
  static std::vector<float> Doubled(const tensor::Tensor& t) {
    std::vector<float> values = Floats(t);
    for (float& v : values) v *= 2;
    return values;
  }
};

/// Counts what reaches it.
class CountingSink final : public RunSink {
 public:
  void OnDone(RunId run, base::Result<std::vector<tensor::Tensor>> outputs) override {
    runs.push_back(run);
    results.push_back(std::move(outputs));
  }
  std::vector<RunId> runs;
  std::vector<base::Result<std::vector<tensor::Tensor>>> results;
};

TEST_P(ModelConformance, CallsDoneExactlyOnceForEveryStart) {
  const auto model = GetParam().doubling();
  const auto instance = NewInstance(*model);
  CountingSink sink;
  const std::vector<tensor::Tensor> inputs = {Rows(2)};
  instance->Start(7, inputs, sink);
  instance->Start(8, inputs, sink);
  EXPECT_EQ(sink.runs, (std::vector<RunId>{7, 8}));
}

TEST_P(ModelConformance, GivesOutputsInTheOrderAndTypeOfItsSpec) {
  const auto model = GetParam().doubling();
  const auto instance = NewInstance(*model);
  const std::vector<tensor::Tensor> inputs = {Rows(2)};
  auto outputs = RunAndWait(*instance, inputs);
  ASSERT_TRUE(outputs) << outputs.error().message;
  ASSERT_EQ(outputs->size(), model->spec().outputs.size());
  EXPECT_EQ((*outputs)[0].dtype(), model->spec().outputs[0].dtype);
  EXPECT_EQ((*outputs)[0].shape(), (tensor::Shape{2, 3}));
}

TEST_P(ModelConformance, TakesAnyNumberOfRowsAndTreatsThemAlike) {
  const auto model = GetParam().doubling();
  const auto instance = NewInstance(*model);
  for (const std::int64_t n : {1, 2, 7, 64}) {
    const tensor::Tensor x = Rows(n);
    const std::vector<tensor::Tensor> inputs = {x};
    auto together = RunAndWait(*instance, inputs);
    ASSERT_TRUE(together);
    EXPECT_EQ(Floats((*together)[0]), Doubled(x));
    for (std::int64_t i = 0; i < n; ++i) {
      const std::vector<tensor::Tensor> one = {x.Rows(i, 1)};
      auto alone = RunAndWait(*instance, one);
      ASSERT_TRUE(alone);
      EXPECT_EQ(Floats((*alone)[0]), Floats((*together)[0].Rows(i, 1)));
    }
  }
}

TEST_P(ModelConformance, ReportsAFailureAndWorksAfterIt) {
  const auto model = GetParam().failing_on_marked_row();
  const auto instance = NewInstance(*model);
  const std::vector<tensor::Tensor> bad = {Rows(1, kMarked)};
  auto failed = RunAndWait(*instance, bad);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, base::Code::kInvalidArgument) << failed.error().message;
  const std::vector<tensor::Tensor> good = {Rows(3)};
  auto answer = RunAndWait(*instance, good);
  ASSERT_TRUE(answer);
  EXPECT_EQ(Floats((*answer)[0]), Doubled(good[0]));
}

TEST_P(ModelConformance, LeavesTheInputsUnwrittenAndLetsThemGo) {
  const auto model = GetParam().doubling();
  const auto instance = NewInstance(*model);
  const tensor::Tensor x = Rows(4);
  const std::vector<float> before = Floats(x);
  const long references = x.buffer().use_count();
  {
    const std::vector<tensor::Tensor> inputs = {x};
    ASSERT_TRUE(RunAndWait(*instance, inputs));
  }
  EXPECT_EQ(Floats(x), before);
  EXPECT_EQ(x.buffer().use_count(), references);
}

TEST_P(ModelConformance, LeavesOutputsValidWhenItRunsAgainAndWhenItIsGone) {
  auto model = GetParam().doubling();
  auto instance = NewInstance(*model);
  const std::vector<tensor::Tensor> first = {Rows(3, 1)};
  const std::vector<tensor::Tensor> second = {Rows(3, 50)};
  auto kept = RunAndWait(*instance, first);
  ASSERT_TRUE(kept);
  ASSERT_TRUE(RunAndWait(*instance, second));
  EXPECT_EQ(Floats((*kept)[0]), Doubled(first[0]));
  instance.reset();
  model.reset();
  EXPECT_EQ(Floats((*kept)[0]), Doubled(first[0]));
}

TEST_P(ModelConformance, RunsInstancesAtTheSameTime) {
  const auto model = GetParam().doubling();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      const auto instance = NewInstance(*model);
      for (int i = 0; i < 100; ++i) {
        const std::vector<tensor::Tensor> inputs = {Rows(5, static_cast<float>(100 * t + i))};
        auto outputs = RunAndWait(*instance, inputs);
        ASSERT_TRUE(outputs);
        EXPECT_EQ(Floats((*outputs)[0]), Doubled(inputs[0]));
      }
    });
  }
}

TEST_P(ModelConformance, IgnoresTheCancellingOfARunItDoesNotKnow) {
  const auto model = GetParam().doubling();
  const auto instance = NewInstance(*model);
  instance->Cancel(99);
  const std::vector<tensor::Tensor> inputs = {Rows(1)};
  EXPECT_TRUE(RunAndWait(*instance, inputs));
}

TEST_P(ModelConformance, SaysThatItsBatchIsFixed) {
  const auto model = GetParam().fixed_batch_of_four();
  EXPECT_EQ(model->spec().batch_axis, BatchAxis::kFixed);
  EXPECT_EQ(model->spec().fixed_batch, 4);
  const auto instance = NewInstance(*model);
  const std::vector<tensor::Tensor> inputs = {Rows(4)};
  auto outputs = RunAndWait(*instance, inputs);
  ASSERT_TRUE(outputs);
  EXPECT_EQ(Floats((*outputs)[0]), Doubled(inputs[0]));
}

}  // namespace muster::model
