#include "muster/bench/tune.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/model/fake_loader.h"

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr base::Duration kNoWait{0};

/// Rates at batch sizes; l(n) follows: `instances` runs of n rows at a time.
BareCurve Curve(Split split, const std::vector<std::pair<std::int64_t, double>>& rates) {
  BareCurve curve{split, {}, CurveEnd::kComplete};
  for (const auto& [size, rate] : rates) {
    const base::Duration run(
        std::llround(static_cast<double>(size * split.instances) / rate * 1e9));
    curve.points.push_back({.batch_size = size, .rows_per_s = rate, .median = run, .p99 = run});
  }
  return curve;
}

// Measured on two cores with ONNX Runtime 1.29 at one row and at the best size; the sizes between
// are on the line l(n) through these, those beyond the best are as good as it.

std::vector<BareCurve> LogisticRegression() {
  return {Curve({1, 1}, {{1, 508e3}, {64, 15.2e6}, {512, 25.8e6}}),
          Curve({2, 1}, {{1, 1.02e6}, {64, 30.2e6}, {512, 51e6}}),
          Curve({1, 2}, {{1, 508e3}, {64, 15.2e6}, {512, 25.8e6}})};
}

std::vector<BareCurve> GradientBoosting() {
  return {Curve({1, 1}, {{1, 190e3}, {32, 277e3}, {64, 279e3}, {512, 279e3}}),
          Curve({2, 1}, {{1, 378e3}, {32, 552e3}, {64, 557e3}, {512, 561e3}}),
          Curve({1, 2}, {{1, 184e3}, {64, 488e3}, {512, 500e3}})};
}

std::vector<BareCurve> Mlp() {
  return {Curve({1, 1}, {{1, 101e3}, {64, 515e3}, {256, 541e3}}),
          Curve({2, 1}, {{1, 202e3}, {64, 1.035e6}, {128, 1.07e6}, {256, 1.07e6}}),
          Curve({1, 2}, {{1, 77e3}, {64, 630e3}, {512, 700e3}})};
}

std::vector<BareCurve> MobileNet() {
  return {Curve({1, 1}, {{1, 132}, {2, 140}, {4, 140}}),
          Curve({2, 1}, {{1, 272}, {2, 281}, {4, 281}}),
          Curve({1, 2}, {{1, 236}, {2, 249}, {4, 256}, {8, 260}, {256, 264}})};
}

std::string Chosen(const std::vector<BareCurve>& curves, base::Duration slo,
                   base::Duration wait = kNoWait) {
  const auto choice = Choose(curves, slo, wait);
  if (!choice) return choice.error().message;
  return choice->split.Name() + " " + std::to_string(choice->max_batch_size);
}

TEST(Tune, InstancesWinForALogisticRegression) {
  EXPECT_EQ(Chosen(LogisticRegression(), 20ms), "2×1 512");
  EXPECT_EQ(Chosen(LogisticRegression(), 20us), "2×1 64") << "512 rows take 20 µs, and twice that";
  EXPECT_EQ(Chosen(LogisticRegression(), 4us), "2×1 1");
}

TEST(Tune, GradientBoostingGainsNothingBeyondTheKnee) {
  EXPECT_EQ(Chosen(GradientBoosting(), 20ms), "2×1 32");
  EXPECT_EQ(Chosen(GradientBoosting(), 100us), "2×1 1") << "32 rows take 116 µs";
}

TEST(Tune, AnMlpRunsBatchesOnInstances) {
  EXPECT_EQ(Chosen(Mlp(), 20ms), "2×1 128");
  EXPECT_EQ(Chosen(Mlp(), 300us), "2×1 64") << "128 rows take 239 µs, and twice that";
}

TEST(Tune, ThreadsServeAnImageModelOnlyWhereInstancesAreTooSlow) {
  EXPECT_EQ(Chosen(MobileNet(), 100ms), "2×1 2");
  EXPECT_EQ(Chosen(MobileNet(), 20ms), "2×1 1") << "two rows take 14.2 ms, and twice that";
  EXPECT_EQ(Chosen(MobileNet(), 10ms), "1×2 1") << "an instance's row takes 7.4 ms, and twice that";
}

TEST(Tune, NamesTheSmallestSloThatIsPossible) {
  const auto choice = Choose(MobileNet(), 8ms, kNoWait);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, base::Code::kFailedPrecondition);
  EXPECT_EQ(choice.error().message,
            "no setting keeps a row within 8 ms; the smallest possible is 8.47 ms, with "
            "instances: 1, threads: 2, max_batch_size: 1");
}

TEST(Tune, WhatThePolicyWaitsCounts) {
  EXPECT_EQ(Chosen(MobileNet(), 20ms, 4ms), "2×1 1");
  EXPECT_EQ(Chosen(MobileNet(), 20ms, 6ms), "1×2 1") << "6 + 14.7 ms is more than 20 ms";
  EXPECT_THAT(Chosen(MobileNet(), 20ms, 12ms), HasSubstr("smallest possible is 20.5 ms"));
}

TEST(Tune, AnSloThatIsJustMetIsMet) {
  const std::vector<BareCurve> curves = {Curve({1, 1}, {{1, 100}})};
  EXPECT_EQ(Chosen(curves, 20ms), "1×1 1") << "a row takes 10 ms";
  EXPECT_THAT(Chosen(curves, 20ms - 1ns), HasSubstr("no setting"));
}

TEST(Tune, ASmallerBatchThatTakesLongerCountsForLargerOnes) {
  BareCurve curve = Curve({1, 1}, {{1, 100}, {2, 200}, {4, 400}});  // 10 ms each
  curve.points[1].p99 = 30ms;
  EXPECT_EQ(Chosen({curve}, 40ms), "1×1 1") << "runs of up to 4 rows include those of 2";
  EXPECT_EQ(Chosen({curve}, 60ms), "1×1 4");
}

TEST(Tune, GivesTheBestOfEachSplit) {
  const auto each = TuneEach(MobileNet(), 10ms, kNoWait);
  ASSERT_EQ(each.size(), 3u);
  EXPECT_FALSE(each[0]);
  EXPECT_FALSE(each[1]);
  ASSERT_TRUE(each[2]);
  EXPECT_EQ(each[2]->max_batch_size, 1);
  EXPECT_NEAR(base::ToMillis(each[2]->worst), 2 * 1000.0 / 236, 0.01);
}

TEST(Tune, MeasuresBetweenTheLastThatFitsAndTheNextWhereBatchesGain) {
  const BareCurve curve = Curve({1, 1}, {{1, 100}, {16, 1000}, {32, 1500}});
  EXPECT_EQ(SizeBetween(curve, 40ms, kNoWait), 24);
}

TEST(Tune, DoesNotMeasureBetweenWhereItWouldGainNothing) {
  EXPECT_FALSE(SizeBetween(Curve({1, 1}, {{1, 100}, {16, 1000}, {32, 1500}}), 1s, kNoWait))
      << "all fit";
  EXPECT_FALSE(SizeBetween(Curve({1, 1}, {{1, 100}, {16, 1000}, {32, 1500}}), 1ms, kNoWait))
      << "none fits";
  EXPECT_FALSE(SizeBetween(Curve({1, 1}, {{8, 1000}, {16, 1001}, {32, 1002}}), 40ms, kNoWait))
      << "8 rows are as good";
  EXPECT_FALSE(SizeBetween(Curve({1, 1}, {{16, 1000}, {20, 1100}}), 33ms, kNoWait))
      << "near enough";
  EXPECT_FALSE(SizeBetween(Curve({1, 1}, {{1, 100}, {2, 110}}), 20ms, kNoWait))
      << "there is nothing between 1 and 2";
}

TEST(Tune, SharesCoresOutByPowersOfTwo) {
  EXPECT_THAT(SplitsOf(1), ElementsAre(Split{1, 1}));
  EXPECT_THAT(SplitsOf(2), ElementsAre(Split{1, 1}, Split{2, 1}, Split{1, 2}));
  EXPECT_THAT(SplitsOf(6),
              ElementsAre(Split{1, 1}, Split{6, 1}, Split{3, 2}, Split{1, 4}, Split{1, 6}));
}

TEST(Tune, ReadsTimesWithTheirUnit) {
  EXPECT_EQ(ParseTime("20ms").value(), 20ms);
  EXPECT_EQ(ParseTime("1.5s").value(), 1500ms);
  EXPECT_EQ(ParseTime("500us").value(), 500us);
  for (const char* text :
       {"", "20", "ms", "-1ms", "0s", "20 ms", "20min", "nans", "infs", "1e9s"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
}

/// A model of n rows in `fixed + n · each` on the test's own clock.
class TuneFake : public ::testing::Test {
 protected:
  base::Result<Tuned> TuneIt(base::Duration fixed, base::Duration each, TuneOptions options) {
    model::FakeModelOptions model;
    model.clock = &clock_;
    model.latency = [=](std::int64_t rows) { return fixed + rows * each; };
    loader_.Put("m", model);
    options.per_point = 100ms;
    return bench::Tune(loader_, {.path = "m", .bytes = {}}, options, clock_);
  }

  base::FakeClock clock_;
  model::FakeLoader loader_;
};

TEST_F(TuneFake, FindsTheLargestBatchThatFitsNearly) {
  const auto tuned = TuneIt(10ms, 1ms, {.slo = 80ms});  // 30 rows fit exactly
  ASSERT_TRUE(tuned) << tuned.error().message;
  EXPECT_GE(tuned->choice.max_batch_size, 26);
  EXPECT_LE(tuned->choice.max_batch_size, 30);
  EXPECT_LE(tuned->choice.worst, 80ms);
}

TEST_F(TuneFake, MeasuresNothingFarBeyondTheSlo) {
  const auto tuned = TuneIt(10ms, 1ms, {.slo = 80ms});
  ASSERT_TRUE(tuned);
  EXPECT_EQ(tuned->sweep.curves[0].points.back().batch_size, 32);
}

TEST_F(TuneFake, RunsARowAtATimeWhereTheServerWill) {
  const auto tuned = TuneIt(10ms, 1us, {.slo = 80ms, .batches = false});
  ASSERT_TRUE(tuned);
  EXPECT_EQ(tuned->choice.max_batch_size, 1);
}

TEST_F(TuneFake, RunsAFixedNumberOfRowsWhateverThePolicy) {
  model::FakeModelOptions model{.fixed_batch = 4};
  model.clock = &clock_;
  model.latency = [](std::int64_t) { return 10ms; };
  loader_.Put("m", model);
  for (const bool batches : {true, false}) {
    const TuneOptions options{.slo = 80ms, .batches = batches, .per_point = 100ms};
    const auto tuned = bench::Tune(loader_, {.path = "m", .bytes = {}}, options, clock_);
    ASSERT_TRUE(tuned) << tuned.error().message;
    EXPECT_EQ(tuned->choice.max_batch_size, 4);
  }
}

TEST_F(TuneFake, SaysWhatWouldBePossible) {
  const auto tuned = TuneIt(10ms, 1ms, {.slo = 5ms});
  ASSERT_FALSE(tuned);
  EXPECT_THAT(tuned.error().message, HasSubstr("the smallest possible is 22"));
}

TEST_F(TuneFake, RefusesAnSloThatThePolicySpendsWaiting) {
  EXPECT_EQ(TuneIt(1ms, 1ms, {.slo = 5ms, .wait = 5ms}).error().code, base::Code::kInvalidArgument);
}

TEST_F(TuneFake, ExplainsItsChoiceWithFigures) {
  const TuneOptions options{.slo = 25ms};
  const auto tuned = TuneIt(0ms, 10ms, options);
  ASSERT_TRUE(tuned) << tuned.error().message;
  const std::string text = Explanation(*tuned, options);
  EXPECT_THAT(text, HasSubstr("within 25 ms"));
  EXPECT_THAT(text, HasSubstr("1×1: 100 rows/s with runs of up to 1, longest 20"));
  EXPECT_THAT(text, HasSubstr("chosen: instances: 1, threads: 1, max_batch_size: 1"));
}

}  // namespace
}  // namespace muster::bench
