#include "muster/bench/rate_search.h"

#include <cmath>
#include <gmock/gmock.h>

#include "muster/bench/random.h"

namespace muster::bench {
namespace {

/// All good up to a capacity, then what is beyond it is late.
std::function<base::Result<double>(double)> Server(double capacity) {
  return [capacity](double rate) { return rate <= capacity ? 1.0 : capacity / rate; };
}

TEST(RateSearch, FindsTheCapacityWithinThePrecision) {
  for (const double capacity : {0.9, 3.0, 47.0, 500.0, 501.0, 12'345.0, 400'000.0}) {
    // With at most 1 % missing, a little more than the capacity is good enough too.
    const auto found = FindRate({}, Server(capacity)).value();
    EXPECT_GE(found.rate, capacity / 1.03) << capacity;
    EXPECT_LE(found.rate, capacity / 0.99) << capacity;
    EXPECT_FALSE(found.unbounded);
  }
}

TEST(RateSearch, ConfirmsTheRateByARepeat) {
  const auto found = FindRate({}, Server(2'000)).value();
  int good = 0;
  for (const RateStep& step : found.steps) good += step.rate == found.rate && step.enough ? 1 : 0;
  EXPECT_GE(good, 2);
  EXPECT_EQ(found.steps.back().rate, found.rate);
  EXPECT_LT(found.steps.size(), 20u);
}

TEST(RateSearch, DoesNotTrustARateThatWasGoodOnlyOnce) {
  int calls_above = 0;
  const auto lucky = [&](double rate) -> base::Result<double> {
    if (rate <= 900) return 1.0;
    if (rate < 1'500) return calls_above++ == 0 ? 1.0 : 0.5;
    return 0.0;
  };
  const auto found = FindRate({}, lucky).value();
  EXPECT_LE(found.rate, 1'000);
  EXPECT_GE(found.rate, 400);
}

TEST(RateSearch, DoesNotTakeOneHiccupForTheLimit) {
  int calls = 0;
  const auto hiccup = [&](double rate) -> base::Result<double> {
    if (++calls == 2 || calls == 8) return 0.9;
    return Server(20'000)(rate);
  };
  EXPECT_GE(FindRate({}, hiccup).value().rate, 20'000 / 1.03);
}

TEST(RateSearch, BelievesAHopelessShareAtOnce) {
  const auto found = FindRate({.first = 1'000}, [](double rate) -> base::Result<double> {
                       return rate < 1'500 ? 1.0 : 0.1;
                     }).value();
  int twice = 0;
  for (std::size_t i = 1; i + 1 < found.steps.size(); ++i) {
    twice += found.steps[i].rate == found.steps[i - 1].rate ? 1 : 0;
  }
  EXPECT_EQ(twice, 0);
}

TEST(RateSearch, LivesWithNoise) {
  Random random(1);
  const auto noisy = [&](double rate) -> base::Result<double> {
    const double share = 1 / (1 + std::pow(rate / 5'000, 20)) + 0.003 * random.Normal();
    return std::min(share, 1.0);
  };
  const double exact = 5'000 * std::pow(1 / 0.99 - 1, 1 / 20.0);
  for (int i = 0; i < 50; ++i) {
    const auto found = FindRate({}, noisy).value();
    EXPECT_NEAR(found.rate, exact, 0.1 * exact);
  }
}

TEST(RateSearch, GivesZeroWhereNoRateIsGoodEnough) {
  const auto found = FindRate({}, [](double) -> base::Result<double> { return 0.5; }).value();
  EXPECT_EQ(found.rate, 0);
  EXPECT_FALSE(found.unbounded);
}

TEST(RateSearch, SaysWhenTheHighestRateIsStillGoodEnough) {
  const auto found =
      FindRate({.highest = 10'000}, [](double) -> base::Result<double> { return 1.0; }).value();
  EXPECT_EQ(found.rate, 10'000);
  EXPECT_TRUE(found.unbounded);
}

TEST(RateSearch, KeepsItsStepsWhenItIsInterrupted) {
  int calls = 0;
  const auto found = FindRate({}, [&](double) -> base::Result<double> {
                       if (++calls == 4) return base::Cancelled("interrupted");
                       return 1.0;
                     }).value();
  EXPECT_TRUE(found.interrupted);
  EXPECT_EQ(found.steps.size(), 3u);
  EXPECT_EQ(found.rate, 0);
}

TEST(RateSearch, EndsWithTheErrorOfAMeasurement) {
  const auto found =
      FindRate({}, [](double) -> base::Result<double> { return base::Internal("wrong answer"); });
  EXPECT_EQ(found.error().message, "wrong answer");
}

}  // namespace
}  // namespace muster::bench
