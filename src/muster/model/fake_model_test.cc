#include "muster/model/fake_model.h"

#include <gtest/gtest.h>

#include "muster/model/conformance.h"

namespace muster::model {
namespace {

base::Status MarkedRowFails(std::span<const float> x, std::int64_t rows) {
  const std::size_t width = x.size() / static_cast<std::size_t>(rows);
  for (std::size_t i = 0; i < x.size(); i += width) {
    if (x[i] == -999) return base::InvalidArgument("a marked row");
  }
  return {};
}

std::unique_ptr<Model> Make(FakeModelOptions options) {
  options.width = 3;
  return std::make_unique<FakeModel>(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(Fake, ModelConformance,
                         testing::Values(ModelUnderTest{
                             [] { return Make({}); },
                             [] { return Make({.fault = MarkedRowFails}); },
                             [] { return Make({.fixed_batch = 4}); }}));

TEST(FakeModel, HoldsItsRunsUntilTheyAreReleased) {
  FakeModel model;
  auto instance = *model.NewInstance({});
  model.Hold();
  CountingSink sink;
  const std::vector<tensor::Tensor> inputs = {tensor::Tensor::Of<float>({1, 1}, {1})};
  std::jthread thread([&] { instance->Start(1, inputs, sink); });
  model.AwaitRunning(1);
  EXPECT_EQ(model.run_count(), 1);
  model.ReleaseRuns(1);
  thread.join();
  EXPECT_TRUE(sink.results.at(0));
}

TEST(FakeModel, CancelsAHeldRun) {
  FakeModel model;
  auto instance = *model.NewInstance({});
  model.Hold();
  CountingSink sink;
  const std::vector<tensor::Tensor> inputs = {tensor::Tensor::Of<float>({1, 1}, {1})};
  std::jthread thread([&] { instance->Start(1, inputs, sink); });
  model.AwaitRunning(1);
  instance->Cancel(1);
  thread.join();
  EXPECT_EQ(sink.results.at(0).error().code, base::Code::kCancelled);
}

TEST(FakeModel, MovesTheFakeClockByItsLatency) {
  base::FakeClock clock;
  FakeModel model({.latency = [](std::int64_t rows) { return std::chrono::milliseconds(rows); },
                   .clock = &clock});
  auto instance = *model.NewInstance({});
  const base::TimePoint start = clock.Now();
  const std::vector<tensor::Tensor> inputs = {tensor::Tensor::Of<float>({3, 1}, {1, 2, 3})};
  ASSERT_TRUE(RunAndWait(*instance, inputs));
  EXPECT_EQ(clock.Now() - start, std::chrono::milliseconds(3));
}

}  // namespace
}  // namespace muster::model
