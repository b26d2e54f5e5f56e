#include "muster/bench/bare_engine.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <latch>
#include <map>
#include <set>
#include <thread>

#include "muster/bench/bare_inputs.h"
#include "muster/bench/bare_report.h"
#include "muster/model/fake_loader.h"

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using model::FakeLoader;
using model::FakeModel;
using model::FakeModelOptions;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const model::ModelSource kSource{.path = "m", .bytes = {}};

/// A fake whose runs of n rows take `fixed + n · each` on a clock of its own.
class BareEngine : public ::testing::Test {
 protected:
  FakeModelOptions Taking(base::Duration fixed, base::Duration each) {
    FakeModelOptions options;
    options.clock = &clock_;
    options.latency = [=](std::int64_t rows) { return fixed + rows * each; };
    return options;
  }

  base::Result<BareSweep> Measure(FakeModelOptions model, BareOptions options = {}) {
    loader_.Put("m", std::move(model));
    return MeasureBare(loader_, kSource, options, clock_);
  }

  base::FakeClock clock_;
  FakeLoader loader_;
};

std::vector<std::int64_t> SizesMeasured(const BareCurve& curve) {
  std::vector<std::int64_t> sizes;
  for (const BarePoint& point : curve.points) sizes.push_back(point.batch_size);
  return sizes;
}

TEST_F(BareEngine, GivesTheRateAndTheRunTimeOfTheModel) {
  const auto sweep = Measure(Taking(1ms, 1ms), {.batch_sizes = {1, 4}, .per_point = 100ms});
  ASSERT_TRUE(sweep) << sweep.error().message;
  const std::vector<BarePoint>& points = sweep->curves.at(0).points;
  ASSERT_THAT(points, SizeIs(2));
  EXPECT_NEAR(points[0].rows_per_s, 500, 0.1) << "a row in 2 ms";
  EXPECT_NEAR(points[1].rows_per_s, 800, 0.1) << "4 rows in 5 ms";
  EXPECT_NEAR(base::ToMillis(points[1].median), 5, 0.05);
  EXPECT_NEAR(base::ToMillis(points[1].p99), 5, 0.05);
  EXPECT_EQ(points[0].runs, 50);
  EXPECT_EQ(points[1].runs, 20);
}

TEST_F(BareEngine, TellsTheLongestRunsFromTheMedian) {
  FakeModelOptions model = Taking(1ms, 0ms);
  int runs = 0;
  model.latency = [&runs](std::int64_t) { return ++runs % 20 == 0 ? 10ms : 1ms; };
  const auto sweep = Measure(model, {.batch_sizes = {1}, .per_point = 1s});
  ASSERT_TRUE(sweep);
  EXPECT_NEAR(base::ToMillis(sweep->curves[0].points[0].median), 1, 0.02);
  EXPECT_NEAR(base::ToMillis(sweep->curves[0].points[0].p99), 10, 0.2);
}

TEST_F(BareEngine, StopsWhereLargerBatchesGainNothing) {
  const auto sweep = Measure(Taking(0ms, 10ms), {.per_point = 100ms});
  ASSERT_TRUE(sweep);
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(1, 2, 4));
  EXPECT_EQ(sweep->curves[0].end, CurveEnd::kGain);
}

TEST_F(BareEngine, GoesOnTo512WhereTheyGain) {
  const auto sweep = Measure(Taking(100ms, 1us), {.per_point = 100ms});
  ASSERT_TRUE(sweep);
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512));
  EXPECT_EQ(sweep->curves[0].end, CurveEnd::kComplete);
}

TEST_F(BareEngine, StopsAfterARunThatIsTooLong) {
  const auto sweep = Measure(Taking(100ms, 1ms), {.per_point = 100ms, .longest_run = 105ms});
  ASSERT_TRUE(sweep);
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(1, 2, 4, 8));
  EXPECT_EQ(sweep->curves[0].end, CurveEnd::kLongRun);
}

TEST_F(BareEngine, MeasuresEverySizeThatWasAskedFor) {
  const auto sweep =
      Measure(Taking(0ms, 10ms),
              {.batch_sizes = {1, 2, 3, 5, 8, 100}, .per_point = 10ms, .longest_run = 1ms});
  ASSERT_TRUE(sweep);
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(1, 2, 3, 5, 8, 100));
}

TEST_F(BareEngine, RunsAFewTimesHoweverLongARunTakes) {
  const auto sweep = Measure(Taking(10s, 0s), {.batch_sizes = {1}, .per_point = 1ms});
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->curves[0].points[0].runs, 3);
}

TEST_F(BareEngine, CyclesAllDistinctInputs) {
  std::vector<float> rows;
  FakeModelOptions model = Taking(1ms, 0ms);
  model.function = [&rows](float x) { return rows.emplace_back(x); };
  const auto sweep = Measure(model, {.batch_sizes = {1}, .per_point = 600ms});
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->distinct_inputs, 512);
  const std::set<float> timed(rows.end() - 512, rows.end());
  EXPECT_GT(timed.size(), 450u) << "4,001 values drawn 512 times are nearly all different";
}

TEST_F(BareEngine, ChecksEveryRowBeforeItIsTimed) {
  const auto sweep = Measure(Taking(1us, 0us), {.batch_sizes = {64}, .per_point = 10ms});
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->curves[0].points[0].checked_rows, 512);
}

TEST_F(BareEngine, ChecksOneRunWhereThereIsNoTimeForMore) {
  const auto sweep = Measure(Taking(1s, 0s), {.batch_sizes = {2}, .per_point = 1ms});
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->curves[0].points[0].checked_rows, 2);
}

TEST_F(BareEngine, NamesTheOutputOfAModelThatMixesRows) {
  FakeModelOptions model = Taking(1ms, 0ms);
  model.mixes_rows = true;
  const auto sweep = Measure(model, {.batch_sizes = {4}, .per_point = 10ms});
  ASSERT_FALSE(sweep);
  EXPECT_THAT(sweep.error().message, HasSubstr("output \"y\""));
  EXPECT_THAT(sweep.error().message, HasSubstr("of a run of 4 rows"));
}

TEST_F(BareEngine, RefusesAModelThatGivesTooFewRows) {
  FakeModelOptions model = Taking(1ms, 0ms);
  model.missing_rows = 1;
  EXPECT_FALSE(Measure(model, {.batch_sizes = {4}, .per_point = 10ms}));
}

TEST_F(BareEngine, SaysThatARunFailedAndWhy) {
  FakeModelOptions model = Taking(1ms, 0ms);
  model.fault = [](std::span<const float>, std::int64_t rows) -> base::Status {
    return rows < 8 ? base::Status() : base::ResourceExhausted("out of memory");
  };
  const auto sweep = Measure(model, {.per_point = 10ms});
  ASSERT_FALSE(sweep);
  EXPECT_THAT(sweep.error().message, HasSubstr("a run of 8 rows failed: out of memory"));
}

TEST_F(BareEngine, RunsAFixedNumberOfRowsOnly) {
  FakeModelOptions model = Taking(1ms, 0ms);
  model.fixed_batch = 6;
  const auto sweep = Measure(model, {.per_point = 10ms});
  ASSERT_TRUE(sweep) << sweep.error().message;
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(6));
  const auto refused = Measure(model, {.batch_sizes = {4}, .per_point = 10ms});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("takes 6 a run"));
}

TEST_F(BareEngine, RunsAllInstancesAtTheSameTimeAndAddsTheirRates) {
  FakeModelOptions model = Taking(1ms, 0ms);
  std::latch both(2);
  std::atomic<int> arrived = 0;
  // Checks are on this thread. The first timed run of each instance waits for that of the other.
  model.fault = [&, here = std::this_thread::get_id()](std::span<const float>, std::int64_t) {
    if (std::this_thread::get_id() != here && arrived++ < 2) both.arrive_and_wait();
    return base::Status();
  };
  const auto sweep = Measure(model, {.batch_sizes = {1}, .splits = {{2, 1}}, .per_point = 500ms});
  ASSERT_TRUE(sweep);
  EXPECT_TRUE(both.try_wait());
  EXPECT_NEAR(sweep->curves[0].points[0].rows_per_s, 1000, 50)
      << "whichever runs moves their common clock by a millisecond";
}

TEST_F(BareEngine, TellsOfEveryPointAsItIsMeasured) {
  loader_.Put("m", Taking(1ms, 0ms));
  std::vector<std::string> told;
  const auto sweep = MeasureBare(
      loader_, kSource, {.batch_sizes = {1, 2}, .splits = {{1, 1}, {1, 2}}, .per_point = 10ms},
      clock_, [&](const Split& split, const BarePoint& point) {
        told.push_back(split.Name() + " " + std::to_string(point.batch_size));
      });
  ASSERT_TRUE(sweep);
  EXPECT_THAT(told, ElementsAre("1×1 1", "1×2 1", "1×1 2", "1×2 2"));
}

/// Loads a fake for each number of threads.
class ThreadsLoader final : public model::ModelLoader {
 public:
  std::map<int, FakeModelOptions> by_threads;
  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource&,
                                                   const model::LoadOptions& options) override {
    ++loads;
    return std::unique_ptr<model::Model>(
        std::make_unique<FakeModel>(by_threads.at(options.threads)));
  }
  int loads = 0;
};

TEST_F(BareEngine, ASplitThatHasEndedDoesNotEndTheOthers) {
  ThreadsLoader loader;
  loader.by_threads = {{1, Taking(0ms, 10ms)}, {2, Taking(100ms, 0ms)}};
  const auto sweep = MeasureBare(
      loader, kSource, {.largest_batch = 16, .splits = {{1, 1}, {1, 2}, {3, 2}}, .per_point = 10ms},
      clock_);
  ASSERT_TRUE(sweep);
  EXPECT_THAT(SizesMeasured(sweep->curves[0]), ElementsAre(1, 2, 4));
  EXPECT_EQ(sweep->curves[0].end, CurveEnd::kGain);
  EXPECT_THAT(SizesMeasured(sweep->curves[1]), ElementsAre(1, 2, 4, 8, 16));
  EXPECT_EQ(sweep->curves[1].end, CurveEnd::kComplete);
  EXPECT_EQ(loader.loads, 2) << "once for each number of threads";
}

TEST_F(BareEngine, RefusesImpossibleOptions) {
  EXPECT_FALSE(Measure(Taking(1ms, 0ms), {.batch_sizes = {0}}));
  EXPECT_FALSE(Measure(Taking(1ms, 0ms), {.splits = {}}));
  EXPECT_FALSE(Measure(Taking(1ms, 0ms), {.splits = {{0, 1}}}));
  EXPECT_FALSE(Measure(Taking(1ms, 0ms), {.per_point = 0s}));
}

TEST(BareInputs, ABatchThatDoesNotDivideTheRowsGoesAround) {
  FakeModel model;
  const auto instance = model.NewInstance({}).value();
  const auto inputs = BareInputs::Make(model.spec(), *instance, {3, 4}, {.distinct = 8}).value();
  EXPECT_EQ(inputs.Batches(4), 2);
  EXPECT_EQ(inputs.Batches(3), 8);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < 8; ++i) rows.push_back(inputs.Alone(i)[0].data<float>()[0]);
  const auto batch = inputs.Batch(3, 2)[0];  // rows 6, 7, 0
  EXPECT_THAT(batch.data<float>(), ElementsAre(rows[6], rows[7], rows[0]));
  EXPECT_EQ(inputs.RowAt(3, 2, 2), 0);
}

TEST(BareInputs, ABatchMayBeLargerThanTheNumberOfDistinctRows) {
  FakeModel model;
  const auto instance = model.NewInstance({}).value();
  const auto inputs = BareInputs::Make(model.spec(), *instance, {20}, {.distinct = 8}).value();
  const auto batch = inputs.Batch(20, 1)[0];
  for (std::int64_t place = 0; place < 20; ++place) {
    const float row = inputs.Alone((20 + place) % 8)[0].data<float>()[0];
    EXPECT_EQ(batch.data<float>()[static_cast<std::size_t>(place)], row);
  }
}

TEST(BareInputs, TheSameSeedGivesTheSameRows) {
  FakeModel model;
  const auto instance = model.NewInstance({}).value();
  const auto row = [&](std::uint64_t seed) {
    const auto inputs =
        BareInputs::Make(model.spec(), *instance, {1}, {.distinct = 8, .seed = seed}).value();
    return inputs.Alone(5)[0].data<float>()[0];
  };
  EXPECT_EQ(row(1), row(1));
  EXPECT_NE(row(1), row(2));
}

TEST(BareInputs, HasFewerRowsWhereTheyWouldNeedTooMuchMemory) {
  FakeModel model({.width = 100});
  const auto instance = model.NewInstance({}).value();
  const auto inputs =
      BareInputs::Make(model.spec(), *instance, {1}, {.distinct = 512, .max_bytes = 4000}).value();
  EXPECT_EQ(inputs.distinct(), 10);
}

TEST(BareInputs, RefusesBatchesThatWouldTakeAllMemory) {
  FakeModel model({.width = 100});
  const auto instance = model.NewInstance({}).value();
  const auto make = [&](std::int64_t size) {
    return BareInputs::Make(model.spec(), *instance, {size}, {.max_bytes = 4000});
  };
  EXPECT_TRUE(make(31)) << "10 distinct rows and 30 beyond";
  const auto refused = make(32);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
}

TEST(BareInputs, SaysThatAModelAcceptsNoMadeUpRow) {
  FakeModelOptions options;
  options.fault = [](std::span<const float>, std::int64_t) -> base::Status {
    return base::InvalidArgument("never");
  };
  FakeModel model(options);
  const auto instance = model.NewInstance({}).value();
  const auto inputs = BareInputs::Make(model.spec(), *instance, {1});
  ASSERT_FALSE(inputs);
  EXPECT_THAT(inputs.error().message, HasSubstr("never"));
}

BareSweep TwoCurves() {
  BareSweep sweep{.curves = {}, .distinct_inputs = 512};
  sweep.curves.push_back({{1, 1},
                          {{.batch_size = 1, .rows_per_s = 500e3, .median = 2us, .p99 = 3us},
                           {.batch_size = 2, .rows_per_s = 1e6, .median = 2us, .p99 = 3us}},
                          CurveEnd::kComplete});
  sweep.curves.push_back({{2, 1},
                          {{.batch_size = 1, .rows_per_s = 1.98e6, .median = 2us, .p99 = 3us},
                           {.batch_size = 2, .rows_per_s = 2e6, .median = 4us, .p99 = 5us}},
                          CurveEnd::kGain});
  return sweep;
}

TEST(BareReport, NamesTheBestAndTheKneeOfEachCurveAndTheBestOfAll) {
  const std::string summary = Summary(TwoCurves());
  EXPECT_THAT(summary, HasSubstr("1×1: best 1 M rows/s at 2 (2 µs), knee 1 M rows/s at 2"));
  EXPECT_THAT(summary, HasSubstr("2×1: best 2 M rows/s at 2 (4 µs), knee 1.98 M rows/s at 1"));
  EXPECT_THAT(summary, HasSubstr("best of all: 2×1, 2 M rows/s at 2 (4 µs)"));
}

TEST(BareReport, PlotsALineForEachCurve) {
  const Plot plot = PlotOf(TwoCurves(), "iris");
  ASSERT_THAT(plot.series, SizeIs(2));
  EXPECT_EQ(plot.series[1].name, "2×1");
  EXPECT_THAT(plot.series[1].points, ElementsAre(std::pair(1.0, 1.98e6), std::pair(2.0, 2e6)));
}

TEST(BareReport, WritesTimesForPeople) {
  EXPECT_EQ(ShortTime(950ns), "950 ns");
  EXPECT_EQ(ShortTime(1900ns), "1.9 µs");
  EXPECT_EQ(ShortTime(999'600ns), "1 ms");
  EXPECT_EQ(ShortTime(7'583'000ns), "7.58 ms");
  EXPECT_EQ(ShortTime(2s), "2 s");
}

}  // namespace
}  // namespace muster::bench
