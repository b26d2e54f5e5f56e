#include "muster/bench/arrivals.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>

namespace muster::bench {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

struct Moments {
  double mean = 0;
  double cv = 0;
};

Moments GapsOf(const std::vector<base::Duration>& arrivals) {
  double sum = 0, squares = 0;
  base::Duration last{0};
  for (const base::Duration at : arrivals) {
    const double gap = std::chrono::duration<double>(at - last).count();
    sum += gap;
    squares += gap * gap;
    last = at;
  }
  const double n = static_cast<double>(arrivals.size());
  const double mean = sum / n;
  return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean)) / mean};
}

std::vector<base::Duration> Draw(ArrivalKind kind, std::uint64_t seed = 1) {
  return DrawArrivals({.kind = kind, .rate = 2000, .duration = seconds(100), .seed = seed}).value();
}

TEST(Arrivals, ConstantOnesAreEquallyFarApart) {
  const auto arrivals = Draw(ArrivalKind::kConstant);
  EXPECT_NEAR(static_cast<double>(arrivals.size()), 200'000, 1);
  EXPECT_EQ(arrivals[0], std::chrono::microseconds(500));
  EXPECT_NEAR(GapsOf(arrivals).cv, 0, 1e-3);
}

TEST(Arrivals, PoissonOnesKeepTheRateAndVaryAsExponentials) {
  const Moments gaps = GapsOf(Draw(ArrivalKind::kPoisson));
  EXPECT_NEAR(gaps.mean, 1 / 2000.0, 0.01 / 2000);
  EXPECT_NEAR(gaps.cv, 1, 0.02);
}

TEST(Arrivals, BurstyOnesKeepTheRateAndVaryFourTimesAsMuch) {
  const Moments gaps = GapsOf(Draw(ArrivalKind::kBursty));
  EXPECT_NEAR(gaps.mean, 1 / 2000.0, 0.03 / 2000);
  EXPECT_NEAR(gaps.cv, kBurstyCv, 0.2);
}

TEST(Arrivals, AreTheSameForTheSameSeedAndOthersForAnother) {
  for (const auto kind : {ArrivalKind::kPoisson, ArrivalKind::kBursty}) {
    EXPECT_EQ(Draw(kind, 7), Draw(kind, 7));
    EXPECT_NE(Draw(kind, 7), Draw(kind, 8));
  }
}

TEST(Arrivals, AscendAndEndBeforeTheDuration) {
  for (const auto kind : {ArrivalKind::kConstant, ArrivalKind::kPoisson, ArrivalKind::kBursty}) {
    const auto arrivals = Draw(kind);
    EXPECT_TRUE(std::is_sorted(arrivals.begin(), arrivals.end()));
    EXPECT_LT(arrivals.back(), seconds(100));
  }
}

TEST(Arrivals, RefuseRatesThatAreNoneOrTooMany) {
  EXPECT_THAT(DrawArrivals({.rate = 0}).error().message, HasSubstr("above 0"));
  EXPECT_THAT(DrawArrivals({.rate = std::nan("")}).error().message, HasSubstr("above 0"));
  EXPECT_THAT(DrawArrivals({.rate = 1e9}).error().message, HasSubstr("50 million"));
}

TEST(Arrivals, KindsAreReadAsTheyAreNamed) {
  for (const auto kind : {ArrivalKind::kConstant, ArrivalKind::kPoisson, ArrivalKind::kBursty}) {
    EXPECT_EQ(ParseArrivalKind(ArrivalKindName(kind)), kind);
  }
  EXPECT_EQ(ParseArrivalKind("uniform"), std::nullopt);
}

TEST(Arrivals, PhasesFollowEachOtherEachAtItsRate) {
  const std::vector<Phase> phases = {{100, seconds(10)}, {2000, seconds(5)}, {100, seconds(10)}};
  const auto arrivals = DrawPhases({.kind = ArrivalKind::kPoisson}, phases).value();
  EXPECT_TRUE(std::ranges::is_sorted(arrivals));
  const auto between = [&](int from, int to) {
    return static_cast<double>(std::ranges::count_if(
        arrivals, [&](base::Duration at) { return at >= seconds(from) && at < seconds(to); }));
  };
  EXPECT_NEAR(between(0, 10), 1000, 130);
  EXPECT_NEAR(between(10, 15), 10'000, 400);
  EXPECT_NEAR(between(15, 25), 1000, 130);
  EXPECT_EQ(between(25, 1000), 0);
}

TEST(Arrivals, PhasesNeedRates) {
  EXPECT_FALSE(DrawPhases({}, std::vector<Phase>{{0, seconds(1)}}));
  EXPECT_FALSE(DrawPhases({}, std::vector<Phase>{{4e7, seconds(1)}, {4e7, seconds(1)}}));
}

}  // namespace
}  // namespace muster::bench
