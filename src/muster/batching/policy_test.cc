#include "muster/batching/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr base::TimePoint kNow{std::chrono::hours(1)};

BucketView View(std::int64_t waiting, base::Duration waited = {}, bool draining = false) {
  return {.now = kNow,
          .waiting_rows = waiting,
          .head_rows = waiting,
          .efficient_rows = 1 << 20,
          .oldest_arrival = kNow - waited,
          .draining = draining};
}

TEST(AdaptivePolicy, LaunchesAtOnceWhateverWaits) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = 8});
  const Decision decision = policy->Decide(View(3));
  EXPECT_EQ(decision.rows, 3);
  EXPECT_EQ(decision.reason, LaunchReason::kInstanceFree);
}

TEST(AdaptivePolicy, LaunchesNoMoreThanTheLargestBatch) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = 8});
  EXPECT_EQ(policy->Decide(View(9)).rows, 8);
  EXPECT_EQ(policy->Decide(View(8)).reason, LaunchReason::kFull);
}

TEST(AdaptivePolicy, CallsRowsOfAModelThatTakesOneARunSingle) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = 1});
  EXPECT_EQ(policy->Decide(View(5)).rows, 1);
  EXPECT_EQ(policy->Decide(View(5)).reason, LaunchReason::kSingle);
}

TEST(AdaptivePolicy, LaunchesNoMoreThanIsEfficient) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = 64});
  BucketView view = View(40);
  view.efficient_rows = 8;
  EXPECT_EQ(policy->Decide(view).rows, 8);
  EXPECT_EQ(policy->Decide(view).reason, LaunchReason::kKnee);
  view.waiting_rows = 5;
  EXPECT_EQ(policy->Decide(view).rows, 5);
  EXPECT_EQ(policy->Decide(view).reason, LaunchReason::kInstanceFree);
}

TEST(AdaptivePolicy, TriesTheNextSizeInMoreThanOneOfAHundredRunsUnderBacklog) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = 64});
  BucketView view = View(40);
  view.efficient_rows = 8;
  int trials = 0;
  for (int run = 0; run < 1000; ++run) {
    const std::int64_t rows = policy->Decide(view).rows;
    EXPECT_TRUE(rows == 8 || rows == 16) << rows;
    trials += rows == 16;
    policy->OnRun(rows, 1ms);
  }
  EXPECT_GE(trials, 10);
  EXPECT_LE(trials, 30);
}

TEST(WindowPolicy, WaitsUntilTheOldestRowHasWaitedLongEnough) {
  const auto policy =
      MakePolicy({.kind = PolicyKind::kWindow, .max_batch_size = 8, .max_wait = 10ms});
  const Decision decision = policy->Decide(View(3, 4ms));
  EXPECT_EQ(decision.rows, 0);
  EXPECT_EQ(decision.wake, kNow + 6ms);
}

TEST(WindowPolicy, LaunchesWhenTheDelayHasElapsed) {
  const auto policy =
      MakePolicy({.kind = PolicyKind::kWindow, .max_batch_size = 8, .max_wait = 10ms});
  const Decision decision = policy->Decide(View(3, 10ms));
  EXPECT_EQ(decision.rows, 3);
  EXPECT_EQ(decision.reason, LaunchReason::kDelay);
}

TEST(WindowPolicy, LaunchesAFullBatchAtOnce) {
  const auto policy =
      MakePolicy({.kind = PolicyKind::kWindow, .max_batch_size = 8, .max_wait = 10ms});
  const Decision decision = policy->Decide(View(11));
  EXPECT_EQ(decision.rows, 8);
  EXPECT_EQ(decision.reason, LaunchReason::kFull);
}

TEST(WindowPolicy, DoesNotWaitWhileDraining) {
  const auto policy =
      MakePolicy({.kind = PolicyKind::kWindow, .max_batch_size = 8, .max_wait = 10ms});
  const Decision decision = policy->Decide(View(3, 0ms, true));
  EXPECT_EQ(decision.rows, 3);
  EXPECT_EQ(decision.reason, LaunchReason::kDrain);
}

TEST(AimdPolicy, StartsWithThirtyTwoRowsOrAHundredMilliseconds) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAimd, .max_batch_size = 512});
  EXPECT_EQ(policy->Decide(View(32)).rows, 32);
  EXPECT_EQ(policy->Decide(View(31)).rows, 0);
  EXPECT_EQ(policy->Decide(View(31, 40ms)).wake, kNow + 60ms);
  EXPECT_EQ(policy->Decide(View(31, 100ms)).rows, 31);
}

TEST(AimdPolicy, ShrinksAfterASlowRunAndGrowsAfterAQuickOne) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAimd, .max_batch_size = 512});
  policy->OnRun(32, 201ms);
  EXPECT_EQ(policy->Decide(View(600)).rows, 25);  // 32 × 0.8
  policy->OnRun(25, 100ms);
  EXPECT_EQ(policy->Decide(View(600)).rows, 25);
  policy->OnRun(25, 49ms);
  EXPECT_EQ(policy->Decide(View(600)).rows, 30);  // 25.6 × 1.2
}

TEST(AimdPolicy, StaysWithinOneAndFiveHundredTwelveRows) {
  const auto policy = MakePolicy({.kind = PolicyKind::kAimd, .max_batch_size = 4096});
  for (int i = 0; i < 100; ++i) policy->OnRun(32, 1ms);
  EXPECT_EQ(policy->Decide(View(9000)).rows, 512);
  for (int i = 0; i < 100; ++i) policy->OnRun(32, 1s);
  EXPECT_EQ(policy->Decide(View(9000)).rows, 1);
}

TEST(NonePolicy, LaunchesTheHeadRequestAlone) {
  const auto policy = MakePolicy({.kind = PolicyKind::kNone, .max_batch_size = 8});
  BucketView view = View(20);
  view.head_rows = 3;
  EXPECT_EQ(policy->Decide(view).rows, 3);
  EXPECT_EQ(policy->Decide(view).reason, LaunchReason::kSingle);
  view.head_rows = 12;
  EXPECT_EQ(policy->Decide(view).rows, 8);
}

TEST(PolicyKind, NamesReadBack) {
  for (const PolicyKind kind :
       {PolicyKind::kAdaptive, PolicyKind::kWindow, PolicyKind::kAimd, PolicyKind::kNone}) {
    EXPECT_EQ(ParsePolicyKind(PolicyKindName(kind)).value(), kind);
  }
}

TEST(PolicyKind, NamesTheNearestOfAnUnknownOne) {
  const auto parsed = ParsePolicyKind("adaptiv");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, base::Code::kInvalidArgument);
  EXPECT_THAT(parsed.error().message, HasSubstr("did you mean adaptive"));
}

TEST(PolicyOptions, RefusesImpossibleValues) {
  EXPECT_TRUE(PolicyOptions{}.Validate());
  EXPECT_FALSE(PolicyOptions{.max_batch_size = 0}.Validate());
  EXPECT_FALSE(PolicyOptions{.max_wait = -1us}.Validate());
}

TEST(LaunchReason, HasANameForEach) {
  for (std::size_t i = 0; i < kLaunchReasons; ++i) {
    EXPECT_FALSE(LaunchReasonName(static_cast<LaunchReason>(i)).empty());
  }
}

}  // namespace
}  // namespace muster::batching
