#include "muster/model/fake_model.h"

#include <cmath>
#include <gtest/gtest.h>
#include <thread>

#include "muster/model/conformance.h"
#include "muster/model/fake_loader.h"

namespace muster::model {
namespace {

using std::chrono::milliseconds;
using tensor::Tensor;

base::Status FailOnMark(std::span<const float> x, std::int64_t rows) {
  const std::size_t width = x.size() / static_cast<std::size_t>(rows);
  for (std::size_t i = 0; i < x.size(); i += width) {
    if (x[i] == -999) return base::InvalidArgument("a row is marked");
  }
  return {};
}

class FakeUnderTest : public ModelUnderTest {
 public:
  std::unique_ptr<Model> Doubling() override { return Make({.width = 3}); }
  std::unique_ptr<Model> FailingOnMarkedRow() override {
    return Make({.width = 3, .fault = FailOnMark});
  }
  std::unique_ptr<Model> FixedBatchOfFour() override {
    return Make({.width = 3, .fixed_batch = 4});
  }

 private:
  static std::unique_ptr<Model> Make(FakeModelOptions options) {
    return std::make_unique<FakeModel>(std::move(options));
  }
};

INSTANTIATE_TEST_SUITE_P(FakeModel, ModelConformance,
                         testing::Values(ModelMaker{
                             "FakeModel", [] { return std::make_unique<FakeUnderTest>(); }}));

Tensor Column(std::vector<float> x) {
  return Tensor::Of<float>({static_cast<std::int64_t>(x.size()), 1}, x);
}

std::vector<float> Answer(FakeModel& model, const Tensor& x) {
  const auto instance = *model.NewInstance({});
  const auto outputs = RunAndWait(*instance, std::span(&x, 1));
  if (!outputs) return {};
  const auto y = outputs->at(0).data<const float>();
  return {y.begin(), y.end()};
}

/// A run of one row on a thread of its own.
class Running {
 public:
  Running(FakeModel& model, RunId run) : instance_(*model.NewInstance({})), run_(run) {
    thread_ = std::jthread([this] { instance_->Start(run_, std::span(&x_, 1), sink_); });
  }
  Instance& instance() { return *instance_; }
  base::Result<std::vector<Tensor>> Await() { return sink_.Await(); }
  bool done() { return sink_.count() > 0; }

 private:
  std::unique_ptr<Instance> instance_;
  RunId run_;
  Tensor x_ = Column({1});
  CountingSink sink_;
  std::jthread thread_;
};

TEST(FakeModel, AppliesItsFunction) {
  FakeModel model({.function = [](float x) { return x + 1; }});
  EXPECT_EQ(Answer(model, Column({1, 2})), (std::vector<float>{2, 3}));
}

TEST(FakeModel, RemembersItsRuns) {
  FakeModel model;
  EXPECT_EQ(model.run_count(), 0);
  Answer(model, Column({1, 2}));
  Answer(model, Column({3}));
  ASSERT_EQ(model.run_count(), 2);
  EXPECT_EQ(model.runs()[0].rows, 2);
  EXPECT_EQ(model.runs()[0].x, (std::vector<float>{1, 2}));
  EXPECT_EQ(model.runs()[1].x, (std::vector<float>{3}));
}

TEST(FakeModel, MakesRowsDependOnEachOtherWhenAsked) {
  FakeModel model({.mixes_rows = true});
  EXPECT_EQ(Answer(model, Column({1, 2})), (std::vector<float>{2 + 0 + 3, 4 + 1 + 3}));
}

TEST(FakeModel, ChangesLastBitsByRowsAndPlaceWhenAsked) {
  FakeModel model({.last_bits = [](auto rows, auto place) {
    return static_cast<std::int32_t>(rows == 1 ? 0 : place);
  }});
  EXPECT_EQ(Answer(model, Column({2})), (std::vector<float>{4}));
  EXPECT_EQ(Answer(model, Column({2, 2})), (std::vector<float>{4, std::nextafter(4.0f, 5.0f)}));
}

TEST(FakeModel, LosesRowsWhenAsked) {
  FakeModel model({.missing_rows = 1});
  EXPECT_EQ(Answer(model, Column({1, 2})), (std::vector<float>{2}));
}

TEST(FakeModel, RefusesWhatItsSpecDoesNotAllow) {
  FakeModel model({.width = 2});
  const auto instance = *model.NewInstance({});
  const Tensor wide = Tensor::Of<float>({1, 3}, {1, 2, 3});
  EXPECT_FALSE(RunAndWait(*instance, std::span(&wide, 1)));
  EXPECT_FALSE(RunAndWait(*instance, {}));
  EXPECT_EQ(model.run_count(), 0);
}

TEST(FakeModel, AdvancesTheFakeClockByItsLatency) {
  base::FakeClock clock;
  FakeModel model(
      {.latency = [](std::int64_t rows) { return milliseconds(2 + rows); }, .clock = &clock});
  const base::TimePoint start = clock.Now();
  Answer(model, Column({1, 2, 3}));
  EXPECT_EQ(clock.Now() - start, milliseconds(5));
}

TEST(FakeModel, SpendsItsLatencyOnFailingRunsToo) {
  base::FakeClock clock;
  FakeModel model({.latency = [](std::int64_t) { return milliseconds(2); },
                   .clock = &clock,
                   .fault = FailOnMark});
  const base::TimePoint start = clock.Now();
  Answer(model, Column({-999}));
  EXPECT_EQ(clock.Now() - start, milliseconds(2));
}

TEST(FakeModel, WaitsForAClockItMayNotAdvance) {
  base::FakeClock clock;
  FakeModel model({.latency = [](std::int64_t) { return milliseconds(2); },
                   .clock = &clock,
                   .advance_fake_clock = false});
  Running run(model, 1);
  clock.AwaitWaiters(1);
  EXPECT_FALSE(run.done());
  clock.Advance(milliseconds(2));
  EXPECT_TRUE(run.Await());
}

TEST(FakeModel, CanBeCancelledWhileItWaitsForTheClock) {
  base::FakeClock clock;
  FakeModel model({.latency = [](std::int64_t) { return milliseconds(2); },
                   .clock = &clock,
                   .advance_fake_clock = false});
  Running run(model, 1);
  clock.AwaitWaiters(1);
  run.instance().Cancel(1);
  EXPECT_EQ(run.Await().error().code, base::Code::kCancelled);
}

TEST(FakeModel, HoldsRunsUntilReleased) {
  FakeModel model;
  model.Hold();
  Running first(model, 1), second(model, 2);
  model.AwaitRunning(2);
  EXPECT_FALSE(first.done() || second.done());
  model.Release();
  EXPECT_TRUE(first.Await());
  EXPECT_TRUE(second.Await());
}

TEST(FakeModel, ReleasesAsManyRunsAsAsked) {
  FakeModel model;
  model.Hold();
  Running first(model, 1);
  model.AwaitRunning(1);
  model.ReleaseRuns(1);
  EXPECT_TRUE(first.Await());
  Running second(model, 2);
  model.AwaitRunning(1);
  EXPECT_FALSE(second.done());
  model.ReleaseRuns(1);
  EXPECT_TRUE(second.Await());
}

TEST(FakeModel, CancelsAHeldRunAndNoOther) {
  FakeModel model;
  model.Hold();
  Running first(model, 1), second(model, 1);
  model.AwaitRunning(2);
  first.instance().Cancel(2);
  first.instance().Cancel(1);
  EXPECT_EQ(first.Await().error().code, base::Code::kCancelled);
  EXPECT_FALSE(second.done());
  model.Release();
  EXPECT_TRUE(second.Await());
}

TEST(FakeLoader, LoadsWhatWasPutAndNothingElse) {
  FakeLoader loader;
  loader.Put("a", {.width = 2});
  const auto model = loader.Load({.path = "a", .bytes = {}}, {});
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)->spec().inputs[0].ToString(), "FP32 [N, 2]");
  EXPECT_EQ(loader.last().run_count(), 0);
  EXPECT_EQ(loader.Load({.path = "dir/b", .bytes = {}}, {}).error().ToString(),
            "NOT_FOUND: no such file: b");
}

}  // namespace
}  // namespace muster::model
