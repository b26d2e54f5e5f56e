#include "muster/base/clock.h"

#include <gtest/gtest.h>
#include <thread>

namespace muster::base {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

TEST(ToMillis, KeepsFractions) { EXPECT_DOUBLE_EQ(ToMillis(std::chrono::microseconds(1500)), 1.5); }

TEST(RealClock, IsSteadyTime) {
  const TimePoint before = std::chrono::steady_clock::now();
  const TimePoint now = RealClock().Now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, std::chrono::steady_clock::now());
}

bool IsHeld(Mutex& mutex) {
  bool held = true;
  std::jthread([&] {
    if (!mutex.try_lock()) return;
    mutex.unlock();
    held = false;
  }).join();
  return held;
}

TEST(RealClock, WaitReturnsWithTheMutexHeldWhenTheDeadlineHasPassed) {
  Mutex mutex;
  CondVar cv;
  MutexLock lock(mutex);
  RealClock().WaitUntil(mutex, cv, RealClock().Now() - 1h);
  EXPECT_TRUE(IsHeld(mutex));
}

// The condition is set under the mutex, so this ends only if the notification arrives.
void ExpectNotifiedBefore(TimePoint deadline) {
  Mutex mutex;
  CondVar cv;
  bool set = false;
  std::jthread setter([&] {
    MutexLock lock(mutex);
    set = true;
    cv.notify_all();
  });
  MutexLock lock(mutex);
  while (!set) RealClock().WaitUntil(mutex, cv, deadline);
  EXPECT_LT(RealClock().Now(), deadline);
}

TEST(RealClock, CountsAThreadsOwnComputingOnly) {
  const TimePoint start = RealClock().Now();
  const Duration before = RealClock().ThreadCpu();
  while (RealClock().ThreadCpu() < before + 1ms) {
  }
  const Duration used = RealClock().ThreadCpu() - before;
  EXPECT_LE(used, RealClock().Now() - start);
  Duration others{0};
  std::jthread([&] { others = RealClock().ThreadCpu(); }).join();
  EXPECT_LT(others, RealClock().ThreadCpu());
}

TEST(RealClock, WakesAWaiterThatIsNotified) { ExpectNotifiedBefore(RealClock().Now() + 1h); }

TEST(RealClock, WaitsForNeverWithoutOverflow) { ExpectNotifiedBefore(kNever); }

TEST(RealClock, WaitsForAlmostNeverWithoutOverflow) { ExpectNotifiedBefore(kNever - 1ms); }

}  // namespace
}  // namespace muster::base
