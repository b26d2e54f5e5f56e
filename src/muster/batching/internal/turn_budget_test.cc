#include "muster/batching/internal/turn_budget.h"

#include <gtest/gtest.h>

#include "muster/base/fake_loop.h"

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kKind = 7;

struct TurnBudgetTest : testing::Test {
  void Learn(std::int64_t rows, base::Duration time, int runs = TurnBudget::kEnough,
             std::uint64_t kind = kKind) {
    for (int i = 0; i < runs; ++i) budget.OnRun(kind, rows, time);
  }
  bool Fits(std::int64_t rows, base::Duration left = TurnBudget::kTurn,
            std::uint64_t kind = kKind) const {
    return budget.Fits(kind, rows, left, now);
  }

  base::FakeClock clock;
  base::TimePoint now = clock.Now();
  TurnBudget budget;
};

TEST_F(TurnBudgetTest, WhatIsNotKnownDoesNotFit) {
  EXPECT_FALSE(budget.Open(now));
  EXPECT_FALSE(Fits(1));
}

TEST_F(TurnBudgetTest, OneRunTooFewIsNotKnown) {
  Learn(1, 2us, TurnBudget::kEnough - 1);
  EXPECT_FALSE(budget.Open(now));
  EXPECT_FALSE(Fits(1));
  Learn(1, 2us, 1);
  EXPECT_TRUE(budget.Open(now));
  EXPECT_TRUE(Fits(1));
}

TEST_F(TurnBudgetTest, AShortRunFitsOnlyIntoWhatIsLeft) {
  Learn(1, 90us);
  EXPECT_TRUE(Fits(1, 120us));
  EXPECT_FALSE(Fits(1, 80us));
  EXPECT_FALSE(Fits(1, 0us));
}

TEST_F(TurnBudgetTest, ATimeIsKnownToAQuarter) {
  for (const auto time : {1us, 2us, 3us, 7us, 50us, 99us, 150us}) {
    budget = {};
    Learn(1, time);
    EXPECT_FALSE(Fits(1, time - 1ns)) << time.count();
    EXPECT_TRUE(Fits(1, time * 5 / 4 + 1us)) << time.count();
  }
}

TEST_F(TurnBudgetTest, TimesOfAnyLengthAreCounted) {
  for (const base::Duration time : {-1ns, 0ns, 1ns, 1023ns}) {
    budget = {};
    Learn(1, time);
    EXPECT_TRUE(Fits(1, 1024ns)) << time.count();
  }
  budget = {};
  Learn(1, 24h);
  EXPECT_FALSE(Fits(1, 1h));
}

TEST_F(TurnBudgetTest, ALongRunLeavesTheBudgetClosed) {
  Learn(1, 300us);
  EXPECT_FALSE(budget.Open(now));
  EXPECT_FALSE(Fits(1));
}

TEST_F(TurnBudgetTest, SizesAreKnownByPowersOfTwo) {
  Learn(5, 10us);
  for (const std::int64_t rows : {1, 5, 8}) EXPECT_TRUE(Fits(rows)) << rows;
  EXPECT_FALSE(Fits(9)) << "larger than anything seen";
}

TEST_F(TurnBudgetTest, ASmallerRunIsTakenToBeAsLongAsTheNextLargerKnownOne) {
  Learn(64, 150us);
  EXPECT_FALSE(Fits(1, 100us));
  Learn(1, 2us);
  EXPECT_TRUE(Fits(1, 100us));
  EXPECT_FALSE(Fits(2, 100us));
}

TEST_F(TurnBudgetTest, KindsAreKnownApart) {
  Learn(1, 2us);
  EXPECT_FALSE(Fits(1, TurnBudget::kTurn, kKind + 1));
  Learn(1, 300us, TurnBudget::kEnough, kKind + 1);
  EXPECT_TRUE(Fits(1));
  EXPECT_FALSE(Fits(1, TurnBudget::kTurn, kKind + 1));
}

TEST_F(TurnBudgetTest, TheKindUsedLeastRecentlyIsForgotten) {
  Learn(1, 2us);
  for (std::uint64_t kind = 100; kind < 115; ++kind) Learn(1, 2us, TurnBudget::kEnough, kind);
  EXPECT_TRUE(Fits(1));
  Learn(1, 2us, 1);
  Learn(1, 2us, 1, 200);
  EXPECT_TRUE(Fits(1));
  EXPECT_FALSE(Fits(1, TurnBudget::kTurn, 100));
}

TEST_F(TurnBudgetTest, ForgettingTheLastShortKindClosesIt) {
  Learn(1, 2us);
  for (std::uint64_t kind = 100; kind < 116; ++kind) Learn(1, 300us, 1, kind);
  EXPECT_FALSE(budget.Open(now));
}

TEST_F(TurnBudgetTest, OneOutlierInAHundredDoesNotCount) {
  Learn(1, 10us, 99);
  Learn(1, 10ms, 1);
  EXPECT_TRUE(Fits(1));
  Learn(1, 10ms, 1);
  EXPECT_FALSE(Fits(1));
}

TEST_F(TurnBudgetTest, AModelThatHasBecomeSlowIsNoticedWithinAFewRuns) {
  Learn(1, 10us, 10'000);
  Learn(1, 1ms, 4);
  EXPECT_FALSE(Fits(1));
}

TEST_F(TurnBudgetTest, AModelThatHasBecomeFastAgainIsNoticed) {
  Learn(1, 1ms, 10'000);
  Learn(1, 10us, 2'000);
  EXPECT_TRUE(Fits(1));
  EXPECT_TRUE(budget.Open(now));
}

TEST_F(TurnBudgetTest, ARunThatIsMuchTooLongSendsTheModelAway) {
  Learn(1, 2us);
  budget.OnCallerRun(TurnBudget::kTooLong, now);
  EXPECT_TRUE(budget.Open(now));
  budget.OnCallerRun(TurnBudget::kTooLong + 1ns, now);
  EXPECT_FALSE(budget.Open(now));
  EXPECT_FALSE(Fits(1));
  now += TurnBudget::kFirstBan - 1ns;
  EXPECT_FALSE(budget.Open(now));
  EXPECT_FALSE(Fits(1));
  now += 1ns;
  EXPECT_TRUE(budget.Open(now));
  EXPECT_TRUE(Fits(1));
}

TEST_F(TurnBudgetTest, EachTimeItHappensAgainForTwiceAsLongUpToAMinute) {
  Learn(1, 2us);
  for (const auto ban : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    budget.OnCallerRun(2 * TurnBudget::kTooLong, now);
    EXPECT_FALSE(budget.Open(now + ban - 1ns)) << ban.count();
    now += ban;
    EXPECT_TRUE(budget.Open(now)) << ban.count();
  }
}

TEST_F(TurnBudgetTest, AGoodMinuteIsForgiven) {
  Learn(1, 2us);
  budget.OnCallerRun(2 * TurnBudget::kTooLong, now);
  budget.OnCallerRun(2 * TurnBudget::kTooLong, now);
  now += 2s + TurnBudget::kBan;
  budget.OnCallerRun(2 * TurnBudget::kTooLong, now);
  EXPECT_TRUE(budget.Open(now + TurnBudget::kFirstBan));
}

TEST_F(TurnBudgetTest, ARunThatIsNotOverWhenItShouldBeSendsTheModelAwayForAMinute) {
  Learn(1, 2us);
  budget.Ban(now);
  EXPECT_FALSE(budget.Open(now + TurnBudget::kBan - 1ns));
  EXPECT_TRUE(budget.Open(now + TurnBudget::kBan));
}

TEST_F(TurnBudgetTest, HugeBatchesHaveAPlace) {
  Learn(1 << 30, 2us);
  EXPECT_TRUE(Fits(1 << 30));
  EXPECT_TRUE(Fits(1));
}

TEST_F(TurnBudgetTest, TheTimeOfATurnIsOneForAllAndNewWithTheNext) {
  base::FakeLoop loop(clock), other(clock);
  EXPECT_EQ(TurnTime::Left(loop), TurnBudget::kTurn);
  TurnTime::Spend(loop, 50us);
  TurnTime::Spend(loop, 60us);
  EXPECT_EQ(TurnTime::Left(loop), TurnBudget::kTurn - 110us);
  loop.RunTurn();
  EXPECT_EQ(TurnTime::Left(loop), TurnBudget::kTurn);
  TurnTime::Spend(loop, 1ms);
  EXPECT_LT(TurnTime::Left(loop), 0us);
  EXPECT_EQ(TurnTime::Left(other), TurnBudget::kTurn);
}

}  // namespace
}  // namespace muster::batching
