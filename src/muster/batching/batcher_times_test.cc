#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <span>

#include "muster/batching/batcher.h"
#include "muster/batching/internal/batcher_test_support.h"

// The times of a WorkResult, exact on a clock that only the model and the test move.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;

base::Duration SumOf(std::span<const base::Duration> shares) {
  return std::accumulate(shares.begin(), shares.end(), base::Duration(0));
}

model::FakeModelOptions MillisPerRun(std::int64_t fixed, std::int64_t per_row) {
  model::FakeModelOptions options;
  options.latency = [=](std::int64_t rows) {
    return std::chrono::milliseconds(fixed + per_row * rows);
  };
  return options;
}

TEST(BatcherTimes, ARunOfItsOwn) {
  Bench bench(AdaptiveOptions(8), MillisPerRun(2, 1));
  const base::TimePoint start = bench.clock.Now();
  const AnswerPtr answer = bench.Submit({1, 2, 3, 4});
  bench.Await(answer);
  const WorkResult& result = **answer->result;
  EXPECT_EQ(result.queue, 0ms);
  EXPECT_EQ(result.inference, 6ms);
  EXPECT_EQ(result.finished, start + 6ms);
  EXPECT_EQ(result.batch_size, 4);
  EXPECT_THAT(result.row_shares, ElementsAre(1500us, 1500us, 1500us, 1500us));
  EXPECT_EQ(SumOf(result.row_shares), result.inference);
}

TEST(BatcherTimes, ARunSharedWithOthers) {
  Bench bench(AdaptiveOptions(8), MillisPerRun(2, 1));
  const AnswerPtr held = bench.Occupy();
  const AnswerPtr one = bench.Submit({1});
  bench.clock.Advance(5ms);
  const AnswerPtr three = bench.Submit({1, 2, 3});
  bench.fake().Release();  // the held run takes 3 ms more, then the four run for 6 ms
  bench.Await({held, one, three});
  EXPECT_EQ((*one->result)->queue, 8ms);
  EXPECT_EQ((*three->result)->queue, 3ms);
  for (const AnswerPtr& answer : {one, three}) {
    EXPECT_EQ((*answer->result)->inference, 6ms);
    EXPECT_EQ((*answer->result)->batch_size, 4);
    EXPECT_THAT((*answer->result)->row_shares, Each(1500us));
  }
}

TEST(BatcherTimes, WaitingForASlotIsQueueing) {
  Bench bench(AdaptiveOptions(8), MillisPerRun(2, 0));
  bench.device.Close();
  const AnswerPtr answer = bench.Submit({1});
  bench.device.AwaitWaiting(1);
  bench.clock.Advance(7ms);
  bench.device.Open();
  bench.Await(answer);
  EXPECT_EQ((*answer->result)->queue, 7ms);
  EXPECT_EQ((*answer->result)->inference, 2ms);
}

TEST(BatcherTimes, TwoOverlappingRunsOnTwoInstances) {
  // No latency of its own: the test moves the clock while both halves are held in the model.
  Bench bench(AdaptiveOptions(2, 2));
  bench.fake().Hold();
  const base::TimePoint start = bench.clock.Now();
  const AnswerPtr answer = bench.Submit({1, 2, 3, 4});
  bench.fake().AwaitRunning(2);
  bench.clock.Advance(10ms);
  bench.fake().Release();
  bench.Await(answer);
  const WorkResult& result = **answer->result;
  EXPECT_EQ(result.queue, 0ms);
  EXPECT_EQ(result.inference, 10ms) << "both halves ran at the same time";
  EXPECT_EQ(result.finished, start + 10ms);
  EXPECT_THAT(result.row_shares, Each(2500us)) << "5 ms each, scaled to what the request took";
}

TEST(BatcherTimes, TwoRunsThatOverlapInPart) {
  Bench bench(AdaptiveOptions(1, 2));
  bench.fake().Hold();
  const AnswerPtr other = bench.Submit({9});  // occupies one instance for 4 ms
  bench.fake().AwaitRunning(1);
  const AnswerPtr answer = bench.Submit({1, 2});
  bench.fake().AwaitRunning(2);
  bench.clock.Advance(4ms);
  // One of the two held runs ends. If it is the other request's, row 2 begins; else so too.
  bench.fake().ReleaseRuns(1);
  bench.device.AwaitCharges(1);
  bench.fake().AwaitRunning(2);
  bench.clock.Advance(6ms);
  bench.fake().Release();
  bench.Await({other, answer});
  const WorkResult& result = **answer->result;
  EXPECT_EQ(result.queue + result.inference, 10ms);
  EXPECT_EQ(result.inference, 10ms) << "at least one row of it was in a run all the time";
  EXPECT_LE(SumOf(result.row_shares), result.inference);
}

TEST(BatcherTimes, SplitOverRunsOneAfterAnother) {
  Bench bench(AdaptiveOptions(2), MillisPerRun(3, 0));
  const AnswerPtr answer = bench.Submit({1, 2, 3});
  bench.Await(answer);
  const WorkResult& result = **answer->result;
  EXPECT_EQ(result.queue, 0ms);
  EXPECT_EQ(result.inference, 6ms);
  EXPECT_THAT(result.row_shares, ElementsAre(1500us, 1500us, 3ms));
}

TEST(BatcherTimes, BisectionChargesARowForEveryRunItWasIn) {
  model::FakeModelOptions model = MillisPerRun(0, 4);
  model.fault = [](std::span<const float> x, std::int64_t) {
    return std::find(x.begin(), x.end(), -999.0f) == x.end() ? base::Status()
                                                             : base::InvalidArgument("bad");
  };
  Bench bench(AdaptiveOptions(8), model);
  const AnswerPtr held = bench.Occupy();
  const AnswerPtr first = bench.Submit({1, 2}), bad = bench.Submit({-999}),
                  last = bench.Submit({4});
  bench.fake().Release();
  bench.Await({held, first, bad, last});
  // After 4 ms of the held run: all four (16 ms), the first two (8 ms), the third alone (4 ms), the
  // probe (4 ms), the fourth alone (4 ms).
  EXPECT_EQ((*first->result)->queue, 4ms);
  EXPECT_EQ((*first->result)->inference, 16ms + 8ms);
  EXPECT_THAT((*first->result)->row_shares, Each(4ms + 4ms));

  EXPECT_EQ((*bad->result)->inference, 16ms + 4ms);
  EXPECT_THAT((*bad->result)->row_shares, ElementsAre(4ms + 4ms));
  EXPECT_EQ((*bad->result)->queue, 4ms + 8ms + 4ms) << "other rows' runs and the probe are waiting";

  EXPECT_EQ((*last->result)->inference, 16ms + 4ms);
  EXPECT_EQ((*last->result)->queue, 4ms + 8ms + 4ms + 4ms);
  for (const AnswerPtr& answer : {first, bad, last}) {
    EXPECT_EQ((*answer->result)->batch_size, 4);
  }
}

TEST(BatcherTimes, PaddingCostsNobodyARow) {
  model::FakeModelOptions model = MillisPerRun(0, 1);
  model.fixed_batch = 4;
  Bench bench(AdaptiveOptions(8), model);
  const AnswerPtr answer = bench.Submit({1, 2});
  bench.Await(answer);
  EXPECT_EQ((*answer->result)->batch_size, 2);
  EXPECT_THAT((*answer->result)->row_shares, Each(2ms)) << "4 ms for two rows";
}

}  // namespace
}  // namespace muster::batching
