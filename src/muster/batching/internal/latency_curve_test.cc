#include "muster/batching/internal/latency_curve.h"

#include <gtest/gtest.h>

#include "muster/batching/internal/queue_test_support.h"

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

/// Feeds a curve with runs one after another.
class LatencyCurveTest : public ::testing::Test {
 protected:
  void Feed(std::int64_t rows, base::Duration took, int times = 16) {
    for (int i = 0; i < times; ++i) {
      now_ += std::max<base::Duration>(took, 1ms);
      curve_.Add(rows, took, now_);
    }
  }
  void FeedAll(base::Duration row, base::Duration fixed, std::int64_t max_rows) {
    for (std::int64_t n = 1; n <= max_rows; n *= 2) Feed(n, row * n + fixed, 4);
  }
  base::Duration Typical(std::int64_t rows) { return curve_.Typical(rows, now_); }
  std::int64_t Knee(std::int64_t max_rows) {
    std::int64_t knee = 0;
    for (int i = 0; i < 4; ++i) {
      knee = curve_.EfficientRows(max_rows, now_);
      Feed(1, Typical(1), 8);
    }
    return knee;
  }
  static constexpr auto kClose = 1us;  // floats

  LatencyCurve curve_;
  base::TimePoint now_ = kStart;
};

TEST_F(LatencyCurveTest, KnowsNothingAtFirst) { EXPECT_FALSE(curve_.known()); }

TEST_F(LatencyCurveTest, GivesTheMedianOfWhatASizeTook) {
  Feed(8, 3ms, 5);
  Feed(8, 5ms, 6);
  EXPECT_EQ(Typical(8), 5ms);
}

TEST_F(LatencyCurveTest, OneSlowRunChangesTheUpperTimeOnly) {
  Feed(8, 3ms);
  Feed(8, 50ms, 1);
  now_ += 1ms;
  EXPECT_EQ(Typical(8), 3ms);
  EXPECT_EQ(curve_.Upper(8, now_), 50ms);
  Feed(8, 3ms, 16);
  EXPECT_EQ(curve_.Upper(8, now_), 3ms);
}

TEST_F(LatencyCurveTest, DrawsStraightLinesBetweenSizesAndBeyond) {
  FeedAll(1ms, 10ms, 64);
  for (const std::int64_t n : {1, 3, 6, 24, 48, 64, 80}) {
    EXPECT_NEAR(static_cast<double>(Typical(n).count()),
                static_cast<double>((10ms + 1ms * n) / 1ns), 1e4)
        << n;
  }
}

TEST_F(LatencyCurveTest, TakesRunsOfOneBinToItsMeanSize) {
  FeedAll(1ms, 10ms, 64);
  for (int i = 0; i < 16; ++i) Feed(33 + 2 * i, 10ms + 1ms * (33 + 2 * i), 1);
  EXPECT_NEAR(static_cast<double>(Typical(48).count()), 58e6, 1e6);
  EXPECT_NEAR(static_cast<double>(curve_.Upper(48, now_).count()), 58e6, 2e6);
}

TEST_F(LatencyCurveTest, NeverFallsWithTheNumberOfRows) {
  Feed(1, 20ms, 3);  // cold
  Feed(64, 5ms, 16);
  for (std::int64_t n = 1; n < 128; ++n) EXPECT_LE(Typical(n), Typical(n + 1)) << n;
  EXPECT_LE(Typical(1), 5ms);
}

TEST_F(LatencyCurveTest, WhatOneSizeTellsOfTheMachineNowHoldsForSizesNotSeenLately) {
  FeedAll(1ms, 10ms, 64);
  const base::Duration before = Typical(64);
  now_ += 5s;
  Feed(8, 3 * 18ms);  // everything takes three times as long now
  EXPECT_NEAR(static_cast<double>(Typical(64).count()), 3 * static_cast<double>(before.count()),
              5e6);
  Feed(8, 18ms);  // and as before again
  EXPECT_NEAR(static_cast<double>(Typical(64).count()), static_cast<double>(before.count()), 5e6);
}

TEST_F(LatencyCurveTest, ForgetsASlownessThatNothingConfirms) {
  FeedAll(1ms, 10ms, 64);
  Feed(64, 1480ms, 12);
  EXPECT_EQ(Typical(64), 1480ms);
  now_ += 3s;  // no runs at all: back to the seed
  EXPECT_LE(Typical(64), 80ms);
}

TEST_F(LatencyCurveTest, StaysFiniteWhereARunThatHungIsExtended) {
  Feed(1, 5h);
  EXPECT_GE(Typical(1 << 20), 5h);
  EXPECT_LT(curve_.Upper(1 << 20, now_), 48h);
}

TEST_F(LatencyCurveTest, TheUpperTimeIsNeverBelowTheTypicalOneBeyondTheLargestSize) {
  Feed(1, 1ms);
  Feed(1, 10ms, 1);
  Feed(2, 9ms);
  EXPECT_GT(Typical(16), 10ms);
  EXPECT_GE(curve_.Upper(16, now_), Typical(16));
  EXPECT_LE(curve_.Lower(16, now_), Typical(16));
}

TEST_F(LatencyCurveTest, TellsTheMostRowsWithinATime) {
  FeedAll(1ms, 10ms, 64);
  EXPECT_NEAR(static_cast<double>(curve_.RowsWithin(50ms, 64, now_)), 40, 1);
  EXPECT_EQ(curve_.RowsWithin(1s, 64, now_), 64);
  EXPECT_EQ(curve_.RowsWithin(9ms, 64, now_), 0);
}

TEST_F(LatencyCurveTest, HasNoKneeWhileTheLargestSizeSeenIsTheBest) {
  Feed(1, 11ms);
  EXPECT_EQ(Knee(64), 64);
  Feed(8, 18ms);
  EXPECT_EQ(Knee(64), 64);
}

TEST_F(LatencyCurveTest, FindsTheKneeOfAModelThatGainsNothing) {
  FeedAll(7500us, 100us, 8);  // as MobileNetV2 on a core
  EXPECT_EQ(Knee(64), 1);
}

TEST_F(LatencyCurveTest, FindsTheKneeWhereTheGainsEnd) {
  for (std::int64_t n = 1; n <= 64; n *= 2) Feed(n, n <= 8 ? 10ms : 10ms * n / 8);
  EXPECT_EQ(Knee(64), 8);
}

TEST_F(LatencyCurveTest, TakesTheLargestSizeWhereItPays) {
  FeedAll(10ns, 2us, 64);
  EXPECT_EQ(Knee(64), 64);
  EXPECT_EQ(Knee(48), 48);
}

TEST_F(LatencyCurveTest, TheKneeMovesOnlyAfterConsistentObservations) {
  FeedAll(7500us, 100us, 8);
  ASSERT_EQ(Knee(64), 1);
  Feed(4, 10ms, 9);  // as if four rows were quick of a sudden
  EXPECT_EQ(curve_.EfficientRows(64, now_), 1);
  for (int i = 0; i < 4; ++i) {
    Feed(4, 10ms, 8);
    curve_.EfficientRows(64, now_);
  }
  EXPECT_GT(curve_.EfficientRows(64, now_), 1);
}

}  // namespace
}  // namespace muster::batching
