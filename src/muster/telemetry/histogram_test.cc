#include "muster/telemetry/histogram.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <thread>

namespace muster::telemetry {
namespace {

constexpr std::uint64_t kLargest = (std::uint64_t{1} << 44) - 1;

HistogramSnapshot Of(const std::vector<std::uint64_t>& values) {
  Histogram histogram;
  for (const std::uint64_t value : values) histogram.Record(value);
  return histogram.Snapshot();
}

std::vector<std::uint64_t> LogUniform(std::size_t n, double smallest, double largest) {
  std::mt19937_64 random(20240607);  // NOLINT: the same values every time
  std::uniform_real_distribution<double> exponent(std::log(smallest), std::log(largest));
  std::vector<std::uint64_t> values(n);
  for (auto& value : values) value = static_cast<std::uint64_t>(std::exp(exponent(random)));
  return values;
}

// In tenths of a percent, so that the rank is computed in integers.
std::uint64_t ExactPercentile(const std::vector<std::uint64_t>& sorted, std::uint64_t permille) {
  return sorted[(permille * sorted.size() + 999) / 1000 - 1];
}

TEST(Histogram, IsEmptyAtFirst) {
  const HistogramSnapshot snapshot = Histogram().Snapshot();
  EXPECT_EQ(snapshot.count, 0u);
  EXPECT_EQ(snapshot.max, 0u);
  EXPECT_EQ(snapshot.mean(), 0);
  EXPECT_EQ(snapshot.Percentile(50), 0u);
  EXPECT_EQ(snapshot.CountAtOrBelow(10), 0u);
}

TEST(Histogram, KnowsCountSumMeanAndMax) {
  const HistogramSnapshot snapshot = Of({1, 2, 6});
  EXPECT_EQ(snapshot.count, 3u);
  EXPECT_EQ(snapshot.sum, 9u);
  EXPECT_EQ(snapshot.mean(), 3);
  EXPECT_EQ(snapshot.max, 6u);
}

TEST(Histogram, IsExactBelow128) {
  std::vector<std::uint64_t> values(128);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i;
  const HistogramSnapshot snapshot = Of(values);
  for (std::uint64_t permille = 1; permille <= 1000; ++permille) {
    ASSERT_EQ(snapshot.Percentile(static_cast<double>(permille) / 10),
              ExactPercentile(values, permille));
  }
  for (std::uint64_t i = 0; i < 128; ++i) ASSERT_EQ(snapshot.CountAtOrBelow(i), i + 1);
}

TEST(Histogram, TellsPercentilesToOnePercentOverTwelveDecades) {
  auto values = LogUniform(20'000, 1, static_cast<double>(kLargest));
  std::sort(values.begin(), values.end());
  const HistogramSnapshot snapshot = Of(values);
  for (std::uint64_t permille = 1; permille <= 1000; ++permille) {
    const auto exact = static_cast<double>(ExactPercentile(values, permille));
    const auto told = static_cast<double>(snapshot.Percentile(static_cast<double>(permille) / 10));
    ASSERT_NEAR(told, exact, 0.01 * exact) << permille << " permille";
  }
}

TEST(Histogram, TellsPercentilesOfFewValuesToOnePercent) {
  const auto values = LogUniform(257, 1'000, 1e9);
  for (std::size_t n = 1; n <= values.size(); ++n) {
    std::vector<std::uint64_t> some(values.begin(),
                                    values.begin() + static_cast<std::ptrdiff_t>(n));
    std::sort(some.begin(), some.end());
    const HistogramSnapshot snapshot = Of(some);
    for (const std::uint64_t permille : {1u, 500u, 900u, 950u, 990u, 999u, 1000u}) {
      const auto exact = static_cast<double>(ExactPercentile(some, permille));
      const auto told =
          static_cast<double>(snapshot.Percentile(static_cast<double>(permille) / 10));
      ASSERT_NEAR(told, exact, 0.01 * exact) << permille << " permille of " << n;
    }
  }
}

// The edges of every bucket and their neighbours, alone: nothing else can hide an error.
TEST(Histogram, TellsEachPowerOfTwoAndItsNeighboursToOnePercent) {
  for (int bit = 1; bit < 44; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t value : {power - 1, power, power + 1, power + power / 64}) {
      const HistogramSnapshot snapshot = Of({value, kLargest});
      ASSERT_NEAR(static_cast<double>(snapshot.Percentile(50)), static_cast<double>(value),
                  0.01 * static_cast<double>(value));
    }
  }
}

TEST(Histogram, NoPercentileIsAboveTheMaximum) {
  const HistogramSnapshot snapshot = Of({1'000'000, 1'000'001});
  for (const double p : {0.001, 50.0, 99.9, 100.0}) EXPECT_LE(snapshot.Percentile(p), snapshot.max);
}

TEST(Histogram, TheHundredthPercentileIsTheMaximum) {
  EXPECT_EQ(Of({5, 1'234'567}).Percentile(100), 1'234'567u);
}

TEST(Histogram, PercentilesGrowWithP) {
  const HistogramSnapshot snapshot = Of(LogUniform(1'000, 10, 1e10));
  std::uint64_t last = 0;
  for (int permille = 1; permille <= 1000; ++permille) {
    const std::uint64_t told = snapshot.Percentile(permille / 10.0);
    ASSERT_GE(told, last);
    last = told;
  }
}

TEST(Histogram, RankIsNotMovedByRounding) {
  std::vector<std::uint64_t> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i < 999 ? 1 : 2;
  EXPECT_EQ(Of(values).Percentile(99.9), 1u);  // rank 999 of 1000
}

TEST(Histogram, CountsWhatIsTooLargeAsTheLargest) {
  const HistogramSnapshot snapshot = Of({~std::uint64_t{0}});
  EXPECT_EQ(snapshot.count, 1u);
  EXPECT_EQ(snapshot.Percentile(50), kLargest);
  EXPECT_EQ(snapshot.sum, kLargest);
}

TEST(Histogram, RecordsDurationsInNanosecondsAndNegativeOnesAsZero) {
  Histogram histogram;
  histogram.Record(std::chrono::microseconds(3));
  histogram.Record(base::Duration(-1));
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_EQ(snapshot.max, 3'000u);
  EXPECT_EQ(snapshot.Percentile(50), 0u);
}

TEST(HistogramSnapshot, CountsPowersOfTwoAtTheirOwnBound) {
  const HistogramSnapshot snapshot = Of({128, 128, 256, 65'536});
  EXPECT_EQ(snapshot.CountAtOrBelow(64), 0u);
  EXPECT_EQ(snapshot.CountAtOrBelow(128), 2u);
  EXPECT_EQ(snapshot.CountAtOrBelow(256), 3u);
  EXPECT_EQ(snapshot.CountAtOrBelow(65'536), 4u);
}

TEST(HistogramSnapshot, CountsAtMostASixtyFourthTooFar) {
  const auto values = LogUniform(5'000, 1, 1e9);
  const HistogramSnapshot snapshot = Of(values);
  for (std::uint64_t bound = 1; bound < 2'000'000'000; bound = bound * 5 / 4 + 1) {
    const auto at_or_below = [&](double limit) {
      return static_cast<std::uint64_t>(std::count_if(
          values.begin(), values.end(), [&](auto v) { return static_cast<double>(v) <= limit; }));
    };
    const auto exact = static_cast<double>(bound);
    ASSERT_GE(snapshot.CountAtOrBelow(bound), at_or_below(exact));
    ASSERT_LE(snapshot.CountAtOrBelow(bound), at_or_below(exact * 65 / 64));
  }
}

TEST(HistogramSnapshot, AddsUp) {
  HistogramSnapshot sum;
  sum += Of({1, 2});
  sum += Of({3});
  sum += HistogramSnapshot();
  EXPECT_EQ(sum.count, 3u);
  EXPECT_EQ(sum.sum, 6u);
  EXPECT_EQ(sum.max, 3u);
  EXPECT_EQ(sum.Percentile(50), 2u);
}

TEST(Histogram, LosesNothingToOtherThreads) {
  constexpr std::uint64_t kThreads = 4, kEach = 20'000;
  Histogram histogram;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < kEach; ++i) histogram.Record(i * kThreads + t);
      });
    }
  }
  const HistogramSnapshot snapshot = histogram.Snapshot();
  constexpr std::uint64_t kCount = kThreads * kEach;
  EXPECT_EQ(snapshot.count, kCount);
  EXPECT_EQ(snapshot.sum, kCount * (kCount - 1) / 2);
  EXPECT_EQ(snapshot.max, kCount - 1);
}

TEST(Histogram, ASnapshotTakenMeanwhileHasTheMaximumAndSumOfWhatItCounts) {
  Histogram histogram;
  std::jthread recorder([&] {
    for (std::uint64_t i = 1; i <= 100'000; ++i) histogram.Record(i);
  });
  HistogramSnapshot snapshot;
  do {
    snapshot = histogram.Snapshot();
    // Counted were at least the recordings 1 … count.
    ASSERT_GE(snapshot.max, snapshot.count);
    ASSERT_GE(snapshot.sum, snapshot.count * (snapshot.count + 1) / 2);
  } while (snapshot.count < 100'000);
}

TEST(HistogramDeathTest, APercentileOutsideItsRangeAborts) {
  EXPECT_DEATH((void)HistogramSnapshot().Percentile(0), "percentile");
  EXPECT_DEATH((void)HistogramSnapshot().Percentile(100.5), "percentile");
}

}  // namespace
}  // namespace muster::telemetry
