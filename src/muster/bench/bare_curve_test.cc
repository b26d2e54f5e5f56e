#include "muster/bench/bare_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsNull;

/// Rates at 1, 2, 4, …, all runs taking a millisecond.
std::vector<BarePoint> Points(const std::vector<double>& rates) {
  std::vector<BarePoint> points;
  std::int64_t size = 1;
  for (const double rate : rates) {
    points.push_back({.batch_size = size, .rows_per_s = rate, .median = 1ms, .p99 = 1ms});
    size *= 2;
  }
  return points;
}

TEST(BareCurve, TheKneeIsTheSmallestBatchWithinThreePercentOfTheBest) {
  EXPECT_EQ(KneeOf(Points({100, 200, 290, 298, 300, 295}))->batch_size, 8) << "290 is 3.3 % less";
  EXPECT_EQ(KneeOf(Points({100, 200, 292, 298, 300, 295}))->batch_size, 4);
  EXPECT_EQ(BestOf(Points({100, 200, 292, 298, 300, 295}))->batch_size, 16);
}

TEST(BareCurve, AModelThatBatchesGainNothingForHasItsKneeAtOne) {
  EXPECT_EQ(KneeOf(Points({140, 141, 139}))->batch_size, 1);
}

TEST(BareCurve, TheFirstOfEquallyGoodPointsIsTheBest) {
  EXPECT_EQ(BestOf(Points({100, 100, 100}))->batch_size, 1);
}

TEST(BareCurve, HasNoBestWithoutPoints) {
  EXPECT_THAT(BestOf({}), IsNull());
  EXPECT_THAT(KneeOf({}), IsNull());
}

TEST(BareCurve, EndsWhenTwoSizesInARowGainedLessThanThreePercent) {
  EXPECT_EQ(EndOf(Points({100, 102, 104}), 1s), CurveEnd::kGain);
  EXPECT_EQ(EndOf(Points({100, 102, 106}), 1s), CurveEnd::kComplete);
}

TEST(BareCurve, GainIsCountedAgainstTheBestBefore) {
  EXPECT_EQ(EndOf(Points({100, 200, 150, 205}), 1s), CurveEnd::kGain)
      << "205 is more than 150, but not 3 % above 200";
  EXPECT_EQ(EndOf(Points({100, 200, 150, 207}), 1s), CurveEnd::kComplete);
}

TEST(BareCurve, OneSizeWithoutGainDoesNotEndIt) {
  EXPECT_EQ(EndOf(Points({100, 200, 201}), 1s), CurveEnd::kComplete);
  EXPECT_EQ(EndOf(Points({100, 200, 201, 400, 401}), 1s), CurveEnd::kComplete);
}

TEST(BareCurve, EndsAfterARunLongerThanTheLimit) {
  EXPECT_EQ(EndOf(Points({100, 200}), 1ms), CurveEnd::kComplete) << "as long is not longer";
  EXPECT_EQ(EndOf(Points({100}), 999us), CurveEnd::kLongRun);
}

TEST(BareCurve, IsNotAtItsEndBeforeAnythingWasMeasured) {
  EXPECT_EQ(EndOf({}, 1s), CurveEnd::kComplete);
}

TEST(BareCurve, SizesDouble) {
  EXPECT_THAT(DoublingSizes(8), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(DoublingSizes(7), ElementsAre(1, 2, 4));
}

}  // namespace
}  // namespace muster::bench
