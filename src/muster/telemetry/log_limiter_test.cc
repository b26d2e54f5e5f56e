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
  clock.Advance(std::chrono::seconds(1));
  EXPECT_EQ(limiter.Admit(clock.Now()), 2u);
  EXPECT_EQ(limiter.Admit(clock.Now()), 0u);
}

}  // namespace
}  // namespace muster::telemetry
