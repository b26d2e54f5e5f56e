#include "muster/telemetry/log_limiter.h"

#include <gtest/gtest.h>

namespace muster::telemetry {
namespace {

TEST(LogLimiter, LetsThroughSoManyLinesASecondAndCountsTheOthers) {
  base::FakeClock clock;
  LogLimiter limiter(2);
  EXPECT_EQ(limiter.Admit(clock.Now()), 0u);
  EXPECT_EQ(limiter.Admit(clock.Now()), 0u);
  EXPECT_EQ(limiter.Admit(clock.Now()), std::nullopt);
  EXPECT_EQ(limiter.Admit(clock.Now()), std::nullopt);
  clock.Advance(std::chrono::milliseconds(500));
  EXPECT_EQ(limiter.Admit(clock.Now()), 2u);
  EXPECT_EQ(limiter.Admit(clock.Now()), std::nullopt);
}

TEST(LogLimiter, SavesNoMoreThanOneSecondsWorth) {
  base::FakeClock clock;
  LogLimiter limiter(2);
  clock.Advance(std::chrono::hours(1));
  EXPECT_TRUE(limiter.Admit(clock.Now()));
  EXPECT_TRUE(limiter.Admit(clock.Now()));
  EXPECT_FALSE(limiter.Admit(clock.Now()));
}

}  // namespace
}  // namespace muster::telemetry
