#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "muster/base/clock.h"

namespace muster::base {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""us;

// A thread that waits until the clock has come to a deadline or it is told to give up.
class Sleeper {
 public:
  Sleeper(FakeClock& clock, TimePoint deadline)
      : clock_(clock), thread_([this, deadline] { Run(deadline); }) {}
  ~Sleeper() { Join(); }

  void GiveUp() {
    MutexLock lock(mutex_);
    give_up_ = true;
    cv_.notify_all();
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  bool woke() const { return woke_at_.load() != TimePoint{}; }
  TimePoint woke_at() const { return woke_at_; }

 private:
  void Run(TimePoint deadline) {
    MutexLock lock(mutex_);
    while (!give_up_ && clock_.Now() < deadline) clock_.WaitUntil(mutex_, cv_, deadline);
    woke_at_ = clock_.Now();
  }

  FakeClock& clock_;
  Mutex mutex_;
  CondVar cv_;
  bool give_up_ MUSTER_GUARDED_BY(mutex_) = false;
  std::atomic<TimePoint> woke_at_{};
  std::thread thread_;  // last: it uses the others
};

bool IsHeld(Mutex& mutex) {
  bool held = true;
  std::jthread([&] {
    if (!mutex.try_lock()) return;
    mutex.unlock();
    held = false;
  }).join();
  return held;
}

TEST(FakeClock, StandsStillUntilAdvanced) {
  FakeClock clock;
  const TimePoint start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(5ms);
  EXPECT_EQ(clock.Now(), start + 5ms);
}

TEST(FakeClock, DoesNotStartAtZero) { EXPECT_GT(FakeClock().Now(), TimePoint{}); }

TEST(FakeClock, StartsAtTheGivenWallTime) {
  EXPECT_EQ(FakeClock(WallTime(42us)).WallNow(), WallTime(42us));
}

TEST(FakeClock, WallTimeAdvancesWithSteadyTime) {
  FakeClock clock(WallTime(42us));
  clock.Advance(8us);
  EXPECT_EQ(clock.WallNow(), WallTime(50us));
}

TEST(FakeClock, WallTimeLosesNothingToManySmallAdvances) {
  FakeClock clock(WallTime(0us));
  for (int i = 0; i < 10; ++i) clock.Advance(500ns);
  EXPECT_EQ(clock.WallNow(), WallTime(5us));
}

TEST(FakeClock, SteadyTimeDoesNotNoticeASteppedWallTime) {
  FakeClock clock(WallTime(1h));
  const TimePoint start = clock.Now();
  clock.StepWallTime(-1h);
  EXPECT_EQ(clock.WallNow(), WallTime(0us));
  EXPECT_EQ(clock.Now(), start);
}

TEST(FakeClock, WakesAWaiterWhenItsDeadlineIsReached) {
  FakeClock clock;
  const TimePoint deadline = clock.Now() + 5ms;
  Sleeper sleeper(clock, deadline);
  clock.AwaitWaiters(1);
  clock.Advance(5ms);
  sleeper.Join();
  EXPECT_EQ(sleeper.woke_at(), deadline);
}

TEST(FakeClock, LetsAWaiterWaitUntilItsDeadlineIsReached) {
  FakeClock clock;
  Sleeper sleeper(clock, clock.Now() + 5ms);
  clock.AwaitWaiters(1);
  clock.Advance(5ms - 1ns);
  clock.AwaitWaiters(1);  // still, or again after a spurious wake-up
  EXPECT_FALSE(sleeper.woke());
  sleeper.GiveUp();
}

TEST(FakeClock, WakesAWaiterThatIsNotified) {
  FakeClock clock;
  Sleeper sleeper(clock, kNever);
  clock.AwaitWaiters(1);
  sleeper.GiveUp();
  sleeper.Join();
  EXPECT_TRUE(sleeper.woke());
}

TEST(FakeClock, ReturnsAtOnceFromADeadlineThatHasPassed) {
  FakeClock clock;
  Mutex mutex;
  CondVar cv;
  MutexLock lock(mutex);
  clock.WaitUntil(mutex, cv, clock.Now());
}

TEST(FakeClock, ReturnsFromWaitWithTheMutexHeld) {
  FakeClock clock;
  Mutex mutex;
  CondVar cv;
  bool held = false;
  std::jthread waiter([&] {
    MutexLock lock(mutex);
    const TimePoint deadline = clock.Now() + 1ms;
    while (clock.Now() < deadline) clock.WaitUntil(mutex, cv, deadline);
    held = IsHeld(mutex);
  });
  clock.AwaitWaiters(1);
  clock.Advance(1ms);
  waiter.join();
  EXPECT_TRUE(held);
}

TEST(FakeClock, AWokenWaiterNoLongerCounts) {
  FakeClock clock;
  Mutex mutex;
  CondVar cv;
  std::atomic<int> rounds = 0;
  std::jthread worker([&] {
    MutexLock lock(mutex);
    for (int i = 0; i < 100; ++i) {
      const TimePoint deadline = clock.Now() + 1ms;
      while (clock.Now() < deadline) clock.WaitUntil(mutex, cv, deadline);
      ++rounds;
    }
  });
  for (int i = 0; i < 100; ++i) {
    clock.AwaitWaiters(1);
    EXPECT_EQ(rounds, i);
    clock.Advance(1ms);
  }
}

TEST(FakeClock, AwaitsTheWaiterWithAnotherDeadlineThanNow) {
  FakeClock clock;
  const TimePoint deadline = clock.Now() + 3ms;
  Sleeper other(clock, kNever);
  clock.AwaitWaiters(1);
  Sleeper sleeper(clock, deadline);
  clock.AwaitDeadline(deadline);
  clock.AdvanceToNextDeadline(kNever);
  EXPECT_EQ(clock.Now(), deadline);
  other.GiveUp();
}

TEST(FakeClock, AdvancesToTheEarliestDeadline) {
  FakeClock clock;
  const TimePoint start = clock.Now();
  Sleeper late(clock, start + 2ms), early(clock, start + 1ms);
  clock.AwaitWaiters(2);
  clock.AdvanceToNextDeadline(start + 1h);
  early.Join();
  EXPECT_EQ(clock.Now(), start + 1ms);
  clock.AdvanceToNextDeadline(start + 1h);
  late.Join();
  EXPECT_EQ(clock.Now(), start + 2ms);
}

TEST(FakeClock, AdvancesToTheLimitWhereNoDeadlineIsBeforeIt) {
  FakeClock clock;
  const TimePoint start = clock.Now();
  Sleeper sleeper(clock, start + 2ms);
  clock.AwaitWaiters(1);
  clock.AdvanceToNextDeadline(start + 1ms);
  EXPECT_EQ(clock.Now(), start + 1ms);
  EXPECT_FALSE(sleeper.woke());
  sleeper.GiveUp();
}

TEST(FakeClock, NeverAdvancesBackToALimitInThePast) {
  FakeClock clock;
  const TimePoint start = clock.Now();
  clock.AdvanceToNextDeadline(start - 1ms);
  EXPECT_EQ(clock.Now(), start);
}

TEST(FakeClock, WakesAllWaitersOfOneConditionVariable) {
  FakeClock clock;
  Mutex mutex;
  CondVar cv;
  const TimePoint deadline = clock.Now() + 1ms;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      MutexLock lock(mutex);
      while (clock.Now() < deadline) clock.WaitUntil(mutex, cv, deadline);
    });
  }
  clock.AwaitWaiters(4);
  clock.Advance(1ms);
}

// A waiter is notified, woken by its deadline and gone in every order: whoever notifies may destroy
// mutex and condition variable as soon as the waiter has returned, while Advance is still about.
TEST(FakeClock, SurvivesWaitersThatLeaveWhileItAdvances) {
  FakeClock clock;
  std::jthread advancer([&clock](const std::stop_token& stop) {
    while (!stop.stop_requested()) clock.Advance(1us);
  });
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&clock] {
      for (int i = 0; i < 300; ++i) {
        Sleeper sleeper(clock, clock.Now() + 2us);
        if (i % 2 == 0) sleeper.GiveUp();
      }
    });
  }
  for (std::jthread& thread : threads) thread.join();
}

TEST(FakeClock, CountsAllThatPassesAsComputingButWhatOthersHad) {
  FakeClock clock;
  const TimePoint start = clock.Now();
  const Duration before = clock.ThreadCpu();
  clock.Advance(3ms);
  clock.Preempt(5ms);
  EXPECT_EQ(clock.Now() - start, 8ms);
  EXPECT_EQ(clock.ThreadCpu() - before, 3ms);
}

TEST(FakeClockDeathTest, GoingBackAborts) { EXPECT_DEATH(FakeClock().Advance(-1ns), "go back"); }

}  // namespace
}  // namespace muster::base
