#include "muster/batching/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr base::TimePoint kNow{std::chrono::hours(1)};

BucketView View(std::int64_t waiting, base::Duration waited = {}, bool draining = false) {
  return {kNow, waiting, waiting, kNow - waited, draining};
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
  for (const PolicyKind kind : {PolicyKind::kAdaptive, PolicyKind::kWindow, PolicyKind::kNone}) {
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
