#include "muster/batching/internal/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr base::TimePoint kArrival{std::chrono::hours(1)};

RunInfo RunOf(std::int64_t rows, base::Duration formed, base::Duration started,
              base::Duration finished) {
  RunInfo run;
  run.rows = rows;
  run.formed = kArrival + formed;
  run.started = kArrival + started;
  run.finished = kArrival + finished;
  return run;
}

TEST(Progress, CutsTheTimeOfOneRunInQueueAndInference) {
  Progress progress(2);
  progress.AddRun(RunOf(2, 3ms, 4ms, 10ms), 0, 2);
  progress.AddPart({0, 2, {}});
  ASSERT_TRUE(progress.complete());
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_EQ(result.queue, 3ms);
  EXPECT_EQ(result.inference, 7ms);
  EXPECT_EQ(result.finished, kArrival + 10ms);
  EXPECT_EQ(result.batch_size, 2);
  EXPECT_THAT(result.row_shares, ElementsAre(3ms, 3ms));
}

TEST(Progress, SharesARunWithOthers) {
  Progress progress(1);
  progress.AddRun(RunOf(8, 0ms, 0ms, 16ms), 0, 1);
  progress.AddPart({0, 1, {}});
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_EQ(result.inference, 16ms);
  EXPECT_EQ(result.batch_size, 8);
  EXPECT_THAT(result.row_shares, ElementsAre(2ms));
}

TEST(Progress, CountsOverlappingRunsOnceAndScalesTheirShares) {
  Progress progress(4);
  // Recorded in the order they were noticed, which need not be that of time.
  progress.AddRun(RunOf(2, 5ms, 5ms, 15ms), 2, 2);
  progress.AddPart({2, 2, {}});
  EXPECT_FALSE(progress.complete());
  progress.AddRun(RunOf(2, 1ms, 1ms, 11ms), 0, 2);
  progress.AddPart({0, 2, {}});
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_EQ(result.inference, 14ms);
  EXPECT_EQ(result.queue, 1ms);
  EXPECT_THAT(result.row_shares, Each(3500us));
  EXPECT_EQ(result.parts[0].first_row, 0);
  EXPECT_EQ(result.parts[1].first_row, 2);
}

TEST(Progress, TimeBetweenRunsIsQueueing) {
  Progress progress(2);
  progress.AddRun(RunOf(1, 1ms, 1ms, 3ms), 0, 1);
  progress.AddPart({0, 1, {}});
  progress.AddRun(RunOf(1, 7ms, 7ms, 9ms), 1, 1);
  progress.AddPart({1, 1, {}});
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_EQ(result.inference, 4ms);
  EXPECT_EQ(result.queue, 5ms);
  EXPECT_THAT(result.row_shares, ElementsAre(2ms, 2ms));
}

TEST(Progress, ARowRunAgainIsChargedForEveryRun) {
  Progress progress(1);
  progress.AddRun(RunOf(4, 0ms, 0ms, 8ms), 0, 1);
  progress.AddRun(RunOf(2, 8ms, 8ms, 12ms), 0, 1);
  progress.AddPart({0, 1, {}});
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_THAT(result.row_shares, ElementsAre(2ms + 2ms));
  EXPECT_EQ(result.batch_size, 4);
}

TEST(Progress, SharesNeverSumToMoreThanInferenceWhateverTheRounding) {
  Progress progress(7);
  progress.AddRun(RunOf(3, 0ns, 0ns, 1001ns), 0, 3);
  progress.AddRun(RunOf(4, 1ns, 1ns, 998ns), 3, 4);
  progress.AddPart({0, 3, {}});
  progress.AddPart({3, 4, {}});
  const WorkResult result = std::move(progress).Finish(kArrival);
  const base::Duration sum =
      std::accumulate(result.row_shares.begin(), result.row_shares.end(), base::Duration(0));
  EXPECT_LE(sum, result.inference);
  EXPECT_GE(sum, result.inference - 7ns);
}

TEST(Progress, PutsErrorsInRowOrderBesideTheParts) {
  Progress progress(3);
  progress.AddErrors(2, 1, base::Internal("b"), kArrival + 5ms);
  progress.AddErrors(0, 1, base::Internal("a"), kArrival + 6ms);
  progress.AddPart({1, 1, {}});
  EXPECT_EQ(progress.rows_failed(), 2);
  const WorkResult result = std::move(progress).Finish(kArrival);
  ASSERT_EQ(result.errors.size(), 2u);
  EXPECT_EQ(result.errors[0].row, 0);
  EXPECT_EQ(result.errors[1].row, 2);
  EXPECT_EQ(result.finished, kArrival + 6ms);
  EXPECT_EQ(result.queue, 6ms);
}

TEST(Progress, AWholeFailureTakesTheAnsweredRowsWithIt) {
  Progress progress(3);
  progress.AddPart({0, 2, {}});
  progress.FailWhole(base::InvalidArgument("no", "INPUT_REJECTED_BY_MODEL"), kArrival);
  ASSERT_TRUE(progress.complete());
  EXPECT_EQ(progress.rows_failed(), 3);
  const WorkResult result = std::move(progress).Finish(kArrival);
  EXPECT_THAT(result.parts, IsEmpty());
  ASSERT_EQ(result.errors.size(), 3u);
  EXPECT_EQ(result.errors[2].error.Reason(), "INPUT_REJECTED_BY_MODEL");
}

}  // namespace
}  // namespace muster::batching
