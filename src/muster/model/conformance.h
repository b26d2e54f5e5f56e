#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "muster/base/mutex.h"
#include "muster/model/model.h"

namespace muster::model {

/// What a backend gives the suite below. Each call makes a fresh model of the described behaviour.
class ModelUnderTest {
 public:
  virtual ~ModelUnderTest() = default;
  /// Input "x" FP32 [N, 3], output "y" FP32 [N, 3] = 2·x, any N.
  virtual std::unique_ptr<Model> Doubling() = 0;
  /// As Doubling, but a run with a row whose x[0] is -999 fails.
  virtual std::unique_ptr<Model> FailingOnMarkedRow() = 0;
  /// As Doubling, but every run has exactly 4 rows.
  virtual std::unique_ptr<Model> FixedBatchOfFour() = 0;
};

struct ModelMaker {
  std::string name;
  std::function<std::unique_ptr<ModelUnderTest>()> make;
  friend std::ostream& operator<<(std::ostream& out, const ModelMaker& maker) {
    return out << maker.name;
  }
};

/// Counts what arrives for a run, and waits for its end. Must outlive the instance, so that a
/// second OnDone is counted and not a crash.
class CountingSink : public RunSink {
 public:
  void OnDone(RunId run, base::Result<std::vector<tensor::Tensor>> outputs) override {
    base::MutexLock lock(mutex_);
    ++count_;
    run_ = run;
    outputs_.emplace(std::move(outputs));
    done_.notify_all();
  }
  base::Result<std::vector<tensor::Tensor>> Await() {
    base::MutexLock lock(mutex_);
    while (!outputs_) base::Wait(mutex_, done_);
    return *outputs_;
  }
  int count() {
    base::MutexLock lock(mutex_);
    return count_;
  }
  std::optional<RunId> run() {
    base::MutexLock lock(mutex_);
    return run_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar done_;
  int count_ MUSTER_GUARDED_BY(mutex_) = 0;
  std::optional<RunId> run_ MUSTER_GUARDED_BY(mutex_);
  std::optional<base::Result<std::vector<tensor::Tensor>>> outputs_ MUSTER_GUARDED_BY(mutex_);
};

/// What every Model promises. In the test of a backend, once per program:
///
///   INSTANTIATE_TEST_SUITE_P(FakeModel, ModelConformance,
///                            testing::Values(ModelMaker{"FakeModel", [] { return ...; }}));
class ModelConformance : public testing::TestWithParam<ModelMaker> {
 protected:
  using Tensors = std::vector<tensor::Tensor>;
  static constexpr std::int64_t kWidth = 3;
  static constexpr float kMark = -999;

  static std::unique_ptr<Instance> InstanceOf(Model& model) {
    auto instance = model.NewInstance({});
    MUSTER_CHECK(instance.has_value(), "no instance: " + instance.error().ToString());
    return *std::move(instance);
  }
  /// Rows that differ from each other and from those of another `seed`.
  static tensor::Tensor Rows(std::int64_t n, int seed = 0) {
    std::vector<float> x(static_cast<std::size_t>(n * kWidth));
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = 0.25f * static_cast<float>(i) - 2.0f + static_cast<float>(seed);
    }
    return tensor::Tensor::Of<float>({n, kWidth}, x);
  }
  static std::vector<float> Floats(const tensor::Tensor& tensor) {
    const auto data = tensor.data<const float>();
    return {data.begin(), data.end()};
  }
  static std::vector<float> Doubled(const tensor::Tensor& x) {
    std::vector<float> y = Floats(x);
    for (float& value : y) value *= 2;
    return y;
  }
  static std::vector<float> Run(Instance& instance, const tensor::Tensor& x) {
    const auto outputs = RunAndWait(instance, std::span(&x, 1));
    MUSTER_CHECK(outputs.has_value(), "the run failed: " + outputs.error().ToString());
    return Floats(outputs->at(0));
  }

  std::unique_ptr<ModelUnderTest> under_test_ = GetParam().make();
};

TEST_P(ModelConformance, SaysWhatItTakesAndGives) {
  const auto model = under_test_->Doubling();
  const ModelSpec& spec = model->spec();
  ASSERT_EQ(spec.inputs.size(), 1u);
  ASSERT_EQ(spec.outputs.size(), 1u);
  EXPECT_EQ(spec.FindInput("x"), 0);
  EXPECT_EQ(spec.FindOutput("y"), 0);
  EXPECT_EQ(spec.inputs[0].ToString(), "FP32 [N, 3]");
  EXPECT_EQ(spec.outputs[0].ToString(), "FP32 [N, 3]");
  EXPECT_EQ(spec.batch_axis, BatchAxis::kDynamic);
  EXPECT_FALSE(spec.format.empty());
}

TEST_P(ModelConformance, AnswersAnyNumberOfRows) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  for (const std::int64_t n : {1, 2, 7, 64, 1}) {
    const tensor::Tensor x = Rows(n);
    const auto outputs = RunAndWait(*instance, std::span(&x, 1));
    ASSERT_TRUE(outputs) << outputs.error().ToString();
    ASSERT_EQ(outputs->size(), 1u);
    const tensor::Tensor& y = outputs->front();
    EXPECT_EQ(y.dtype(), tensor::DType::kFp32);
    EXPECT_EQ(y.shape(), (tensor::Shape{n, kWidth}));
    EXPECT_EQ(Floats(y), Doubled(x)) << n << " rows";
  }
}

TEST_P(ModelConformance, AnswersARowTheSameAloneAndAmongOthers) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(7);
  const std::vector<float> together = Run(*instance, x);
  std::vector<float> alone;
  for (std::int64_t row = 0; row < 7; ++row) {
    for (const float value : Run(*instance, x.Rows(row, 1))) alone.push_back(value);
  }
  EXPECT_EQ(alone, together);
}

TEST_P(ModelConformance, IsDoneExactlyOnceForEveryStart) {
  const auto model = under_test_->FailingOnMarkedRow();
  CountingSink good[3], bad;
  auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(2);
  RunId run = 40;
  for (CountingSink& sink : good) {
    instance->Start(++run, std::span(&x, 1), sink);
    EXPECT_TRUE(sink.Await());
    EXPECT_EQ(sink.run(), run);
  }
  const auto marked = tensor::Tensor::Of<float>({1, kWidth}, {kMark, 0, 0});
  instance->Start(++run, std::span(&marked, 1), bad);
  EXPECT_FALSE(bad.Await());
  EXPECT_EQ(bad.run(), run);
  instance.reset();
  for (CountingSink& sink : good) EXPECT_EQ(sink.count(), 1);
  EXPECT_EQ(bad.count(), 1);
}

TEST_P(ModelConformance, IsDoneWithinStartIfItSaysSo) {
  const auto model = under_test_->FailingOnMarkedRow();
  CountingSink sink;
  const auto instance = InstanceOf(*model);
  if (!instance->completes_inline()) GTEST_SKIP() << "it does not say so";
  const tensor::Tensor good = Rows(2);
  const tensor::Tensor bad = tensor::Tensor::Of<float>({1, kWidth}, {kMark, 0, 0});
  RunId run = 0;
  for (const tensor::Tensor& x : {good, bad, good}) {
    instance->Start(++run, std::span(&x, 1), sink);
    EXPECT_EQ(sink.count(), static_cast<int>(run));
  }
}

TEST_P(ModelConformance, SaysThatTheDataMayBeToBlameAndGoesOnWorking) {
  const auto model = under_test_->FailingOnMarkedRow();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor bad =
      tensor::Tensor::Of<float>({3, kWidth}, {1, 2, 3, kMark, 0, 0, 4, 5, 6});
  for (int i = 0; i < 3; ++i) {
    const auto failed = RunAndWait(*instance, std::span(&bad, 1));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, base::Code::kInvalidArgument) << failed.error().ToString();
    EXPECT_FALSE(failed.error().message.empty());
    const tensor::Tensor good = Rows(3, i);
    EXPECT_EQ(Run(*instance, good), Doubled(good));
  }
}

TEST_P(ModelConformance, WritesNothingIntoItsInputs) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(7);
  const std::vector<float> before = Floats(x);
  Run(*instance, x);
  EXPECT_EQ(Floats(x), before);
}

TEST_P(ModelConformance, LetsGoOfItsInputsWhenDone) {
  const auto model = under_test_->FailingOnMarkedRow();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor good = Rows(2);
  const tensor::Tensor bad = tensor::Tensor::Of<float>({1, kWidth}, {kMark, 0, 0});
  for (const tensor::Tensor* x : {&good, &bad}) {
    const auto outputs = RunAndWait(*instance, std::span(x, 1));
    EXPECT_EQ(x->buffer().use_count(), 1);
  }
}

TEST_P(ModelConformance, TakesOtherMemoryInEveryRun) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(6);
  EXPECT_EQ(Run(*instance, x.Rows(1, 2)), Doubled(x.Rows(1, 2)));
  EXPECT_EQ(Run(*instance, x.Rows(3, 2)), Doubled(x.Rows(3, 2)));
  // The same memory and shape, other values.
  const auto values = x.data<float>();
  values[9] = 77;
  EXPECT_EQ(Run(*instance, x.Rows(3, 2)), Doubled(x.Rows(3, 2)));
  EXPECT_EQ(Run(*instance, x.Rows(3, 3)), Doubled(x.Rows(3, 3)));
}

TEST_P(ModelConformance, KeepsOutputsWhenItRunsAgain) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor first = Rows(2, 1), second = Rows(2, 5);
  const auto outputs = RunAndWait(*instance, std::span(&first, 1));
  ASSERT_TRUE(outputs);
  for (int i = 0; i < 10; ++i) Run(*instance, second);
  EXPECT_EQ(Floats(outputs->at(0)), Doubled(first));
}

TEST_P(ModelConformance, KeepsOutputsWhenInstanceAndModelAreGone) {
  auto model = under_test_->Doubling();
  auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(64);
  const auto outputs = RunAndWait(*instance, std::span(&x, 1));
  ASSERT_TRUE(outputs);
  instance.reset();
  model.reset();
  under_test_.reset();
  EXPECT_EQ(Floats(outputs->at(0)), Doubled(x));
}

TEST_P(ModelConformance, LetsAnotherThreadDropTheOutputs) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(7);
  for (int i = 0; i < 10; ++i) {
    auto outputs = RunAndWait(*instance, std::span(&x, 1));
    ASSERT_TRUE(outputs);
    std::jthread([dropped = *std::move(outputs)]() mutable { dropped.clear(); }).join();
  }
  EXPECT_EQ(Run(*instance, x), Doubled(x));
}

TEST_P(ModelConformance, RunsTwoInstancesAtTheSameTime) {
  const auto model = under_test_->Doubling();
  const auto runs = [&model](int seed) {
    const auto instance = InstanceOf(*model);
    const tensor::Tensor x = Rows(7, seed);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(Run(*instance, x), Doubled(x));
  };
  std::jthread other(runs, 100);
  runs(-100);
}

TEST_P(ModelConformance, IgnoresTheCancellingOfRunsItDoesNotKnow) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(1);
  instance->Cancel(7);
  for (const RunId run : {7u, 8u}) {
    CountingSink sink;
    instance->Start(run, std::span(&x, 1), sink);
    const auto outputs = sink.Await();
    ASSERT_TRUE(outputs) << outputs.error().ToString();
    EXPECT_EQ(Floats(outputs->at(0)), Doubled(x));
    instance->Cancel(7);
  }
}

TEST_P(ModelConformance, TakesTheCancellingOfOtherRunsFromAnotherThread) {
  const auto model = under_test_->Doubling();
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(2);
  std::jthread other([&instance] {
    for (int i = 0; i < 1000; ++i) instance->Cancel(999);
  });
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Run(*instance, x), Doubled(x));
}

TEST_P(ModelConformance, TakesItsFixedBatchAndNothingElse) {
  const auto model = under_test_->FixedBatchOfFour();
  EXPECT_EQ(model->spec().batch_axis, BatchAxis::kFixed);
  EXPECT_EQ(model->spec().fixed_batch, 4);
  const auto instance = InstanceOf(*model);
  const tensor::Tensor x = Rows(4), few = Rows(3);
  EXPECT_EQ(Run(*instance, x), Doubled(x));
  const auto refused = RunAndWait(*instance, std::span(&few, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(Run(*instance, x), Doubled(x));
}

}  // namespace muster::model
