#include "muster/registry/circuit_breaker.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <utility>
#include <vector>

namespace muster::registry {
namespace {

using namespace std::chrono_literals;

class CircuitBreakerTest : public testing::Test {
 protected:
  void Fail(int runs, base::Duration apart = 1ms) { Run(false, runs, apart); }
  void Succeed(int runs, base::Duration apart = 1ms) { Run(true, runs, apart); }
  void Run(bool succeeded, int runs, base::Duration apart) {
    for (int i = 0; i < runs; ++i) {
      breaker_.OnRun(succeeded, now_);
      now_ += apart;
    }
  }
  bool Admits() { return breaker_.Admit(now_).has_value(); }
  BreakerPass Probe() {
    const auto pass = breaker_.Admit(now_);
    EXPECT_TRUE(pass);
    EXPECT_NE(pass.value().probe, 0u) << "a probe was expected";
    return *pass;
  }
  std::vector<BreakerPass> Probes(int count) {
    std::vector<BreakerPass> passes;
    for (int i = 0; i < count; ++i) passes.push_back(Probe());
    return passes;
  }
  void Answer(BreakerPass pass, ProbeOutcome outcome) { breaker_.OnAnswer(pass, outcome, now_); }
  void PassAllProbes() {
    for (const BreakerPass pass : Probes(5)) Answer(pass, ProbeOutcome::kPassed);
  }
  BreakerState State() { return breaker_.Snapshot(now_).state; }
  base::Duration RetryAfter() { return breaker_.Snapshot(now_).retry_after; }
  /// Goes on to when it lets probes pass.
  void AwaitHalfOpen() {
    now_ += RetryAfter();
    EXPECT_EQ(State(), BreakerState::kHalfOpen);
  }

  base::TimePoint now_{1h};
  std::vector<BreakerTransition> told_;
  CircuitBreaker breaker_{
      {}, 7, [this](const BreakerTransition& transition) { told_.push_back(transition); }};
};

TEST_F(CircuitBreakerTest, OpensAtTheFifthFailureInARow) {
  Fail(4);
  EXPECT_TRUE(Admits());
  Fail(1);
  const auto refused = breaker_.Admit(now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kUnavailable);
  EXPECT_EQ(refused.error().Reason(), "BREAKER_OPEN");
  EXPECT_EQ(refused.error().retry_after, RetryAfter());
  EXPECT_EQ(breaker_.Snapshot(now_).refused, 1u);
}

TEST_F(CircuitBreakerTest, ASuccessEndsTheRow) {
  Succeed(100);  // so that the share stays low
  for (int i = 0; i < 10; ++i) {
    Fail(4);
    Succeed(1);
  }
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, OpensWhenHalfOfTheRunsFail) {
  for (int i = 0; i < 9; ++i) {
    Fail(1);
    Succeed(1);
  }
  EXPECT_EQ(State(), BreakerState::kClosed) << "18 runs are too few to judge by";
  Succeed(1);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerTest, StaysClosedWhenLessThanHalfFail) {
  Succeed(20);
  for (int i = 0; i < 1000; ++i) {
    Fail(2);
    Succeed(3);
  }
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, ForgetsWhatIsOlderThanItsWindow) {
  for (int i = 0; i < 9; ++i) {
    Fail(1);
    Succeed(1);
  }
  now_ += 11s;
  Succeed(1);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, CountsARunOfTheWholeWindowAndNotOnlyOfItsLastTenth) {
  for (int i = 0; i < 5; ++i) {  // over 9 s
    Fail(1, 0ms);
    Succeed(1, 0ms);
    Fail(1, 0ms);
    Succeed(1, 1800ms);
  }
  EXPECT_EQ(State(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

// One request a minute of which any may fail: never enough to judge by (no flapping).
TEST_F(CircuitBreakerTest, RareFailuresNeverOpenIt) {
  Fail(1000, 1min);
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_TRUE(told_.empty());
}

TEST_F(CircuitBreakerTest, SlowFailuresInARowOpenIt) {
  Fail(5, 9s);
  EXPECT_EQ(breaker_.Snapshot(now_).opened(), 1u);
}

TEST_F(CircuitBreakerTest, LetsExactlyFiveProbesPassAfterFiveSeconds) {
  Fail(5);
  EXPECT_GE(RetryAfter(), 4s - 1ms);
  EXPECT_LE(RetryAfter(), 6s);
  now_ += RetryAfter() - 1ms;
  EXPECT_FALSE(Admits());
  now_ += 1ms;
  Probes(5);
  const auto refused = breaker_.Admit(now_);
  ASSERT_FALSE(refused);
  EXPECT_GT(refused.error().retry_after, 0ms);
}

TEST_F(CircuitBreakerTest, ClosesWhenAllProbesHavePassed) {
  Fail(5);
  AwaitHalfOpen();
  const auto passes = Probes(5);
  for (int i = 0; i < 4; ++i) Answer(passes[static_cast<std::size_t>(i)], ProbeOutcome::kPassed);
  EXPECT_FALSE(Admits()) << "five in all, not five at a time";
  Answer(passes[4], ProbeOutcome::kPassed);
  EXPECT_EQ(State(), BreakerState::kClosed);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Admits());
  Fail(4);
  EXPECT_EQ(State(), BreakerState::kClosed) << "what was before is forgotten";
}

TEST_F(CircuitBreakerTest, OneFailedProbeOpensItForTwiceAsLong) {
  base::Duration least = 4s, most = 6s;
  Fail(5);
  for (int i = 0; i < 3; ++i) {
    AwaitHalfOpen();
    const auto passes = Probes(5);
    for (std::size_t p = 0; p < 4; ++p) Answer(passes[p], ProbeOutcome::kPassed);
    Answer(passes[4], ProbeOutcome::kFailed);
    least *= 2, most *= 2;
    EXPECT_EQ(State(), BreakerState::kOpen);
    EXPECT_GE(RetryAfter(), least) << i;
    EXPECT_LE(RetryAfter(), most) << i;
  }
}

TEST_F(CircuitBreakerTest, IsNeverOpenMuchLongerThanAMinute) {
  Fail(5);
  for (int i = 0; i < 200; ++i) {
    AwaitHalfOpen();
    Answer(Probe(), ProbeOutcome::kFailed);
    EXPECT_LE(RetryAfter(), 72s);
  }
  EXPECT_GE(RetryAfter(), 48s);
}

TEST_F(CircuitBreakerTest, JitterDependsOnTheSeedAlone) {
  const auto open_time = [&](std::uint32_t seed) {
    CircuitBreaker breaker({}, seed);
    for (int i = 0; i < 5; ++i) breaker.OnRun(false, now_);
    return breaker.Snapshot(now_).retry_after;
  };
  EXPECT_EQ(open_time(12345), open_time(12345));
  EXPECT_NE(open_time(12345), open_time(987654321));
}

TEST_F(CircuitBreakerTest, ClosedForAMinuteItOpensForTheShortestTimeAgain) {
  for (const base::Duration closed_for : {59s, 61s}) {
    Fail(5);
    AwaitHalfOpen();
    Answer(Probe(), ProbeOutcome::kFailed);
    EXPECT_GE(RetryAfter(), 8s);
    AwaitHalfOpen();
    PassAllProbes();
    now_ += closed_for;
    Fail(5);
    EXPECT_EQ(RetryAfter() <= 6s, closed_for > 60s) << base::ToMillis(RetryAfter());
    AwaitHalfOpen();
    PassAllProbes();
    now_ += 61s;
  }
}

TEST_F(CircuitBreakerTest, AProbeThatSaysNothingMakesRoomForAnother) {
  Fail(5);
  AwaitHalfOpen();
  for (int i = 0; i < 100; ++i) Answer(Probe(), ProbeOutcome::kNothing);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  PassAllProbes();
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, ProbesThatHangHaveFailed) {
  Fail(5);
  AwaitHalfOpen();
  const auto passes = Probes(5);
  now_ += 29s;
  EXPECT_FALSE(Admits());
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  now_ += 1s;
  EXPECT_FALSE(Admits());
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_GE(RetryAfter(), 8s);
  AwaitHalfOpen();
  Probes(5);
  for (const BreakerPass late : passes) Answer(late, ProbeOutcome::kPassed);
  EXPECT_EQ(State(), BreakerState::kHalfOpen) << "those probed another half-open time";
}

TEST_F(CircuitBreakerTest, RequestsFromBeforeDecideNothing) {
  const auto before = breaker_.Admit(now_);
  Fail(5);
  const base::Duration left = RetryAfter();
  Fail(20, 0ms);
  EXPECT_EQ(RetryAfter(), left);
  AwaitHalfOpen();
  Probe();
  Fail(20);
  Succeed(20);
  Answer(*before, ProbeOutcome::kFailed);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
}

TEST_F(CircuitBreakerTest, CanBeHeldOpen) {
  breaker_.Force(BreakerSwitch::kForcedOpen, now_);
  now_ += 24h;
  const auto refused = breaker_.Admit(now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry_after, 60s);
  breaker_.Force(BreakerSwitch::kAuto, now_);
  EXPECT_TRUE(Admits());
}

TEST_F(CircuitBreakerTest, CanBeHeldClosed) {
  Fail(5);
  breaker_.Force(BreakerSwitch::kForcedClosed, now_);
  Fail(1000);
  EXPECT_TRUE(Admits());
  breaker_.Force(BreakerSwitch::kAuto, now_);
  EXPECT_TRUE(Admits());
  Fail(5);
  EXPECT_FALSE(Admits());
}

TEST_F(CircuitBreakerTest, TellsEveryTransitionOnce) {
  using enum BreakerState;
  Fail(10);
  AwaitHalfOpen();
  Answer(Probe(), ProbeOutcome::kFailed);
  AwaitHalfOpen();
  PassAllProbes();
  std::vector<std::pair<BreakerState, BreakerState>> steps;
  for (const BreakerTransition& t : told_) {
    steps.emplace_back(t.from, t.to);
    EXPECT_EQ(t.retry_after > 0ms, t.to == kOpen);
  }
  EXPECT_EQ(steps, (std::vector<std::pair<BreakerState, BreakerState>>{{kClosed, kOpen},
                                                                       {kOpen, kHalfOpen},
                                                                       {kHalfOpen, kOpen},
                                                                       {kOpen, kHalfOpen},
                                                                       {kHalfOpen, kClosed}}));
  EXPECT_EQ(breaker_.Snapshot(now_).opened(), 2u);
}

// Whatever threads do at once, no more than five probes are out and the books balance.
TEST_F(CircuitBreakerTest, AdmitsFiveProbesHoweverManyAskAtOnce) {
  Fail(5);
  AwaitHalfOpen();
  std::atomic<int> admitted{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) admitted += breaker_.Admit(now_).has_value() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(admitted, 5);
  EXPECT_EQ(breaker_.Snapshot(now_).refused, 3995u);
}

}  // namespace
}  // namespace muster::registry
