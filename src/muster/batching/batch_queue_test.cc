#include "muster/batching/batch_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/batching/internal/queue_test_support.h"

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr QueueOptions kRoomy{.max_rows = 1000};

// Takes batches until none is ready and returns their sizes.
std::vector<std::int64_t> PopAll(BatchQueue& queue, base::TimePoint now) {
  std::vector<std::int64_t> sizes;
  while (const FormedBatch batch = queue.PopReady(now, nullptr)) sizes.push_back(batch.rows);
  return sizes;
}

// --- What is taken together

TEST(BatchQueue, TakesWhateverWaitsUpToTheLargestBatch) {
  BatchQueue queue(kRoomy, Adaptive(8));
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(queue.Push(Request(), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(8, 3));
}

TEST(BatchQueue, SplitsARequestAtARowBoundaryToFillABatch) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr a = Request({.rows = 5}), b = Request({.rows = 6});
  ASSERT_TRUE(queue.Push(a, kStart));
  ASSERT_TRUE(queue.Push(b, kStart));

  const FormedBatch first = queue.PopReady(kStart, nullptr);
  EXPECT_THAT(RequestsOf(first), ElementsAre(a.get(), b.get()));
  EXPECT_EQ(first.slices[1].first_row, 0);
  EXPECT_EQ(first.slices[1].rows, 3);

  const FormedBatch second = queue.PopReady(kStart, nullptr);
  EXPECT_THAT(RequestsOf(second), ElementsAre(b.get()));
  EXPECT_EQ(second.slices[0].first_row, 3);
  EXPECT_EQ(second.slices[0].rows, 3);
}

TEST(BatchQueue, NeverMixesShapes) {
  BatchQueue queue(kRoomy, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request({.width = 1}), kStart));
  ASSERT_TRUE(queue.Push(Request({.width = 2}), kStart));
  ASSERT_TRUE(queue.Push(Request({.width = 1}), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(2, 1));
}

TEST(BatchQueue, NeverMixesDtypes) {
  BatchQueue queue(kRoomy, Adaptive(8));
  WorkItem item;
  item.inputs = {tensor::Tensor::Allocate(tensor::DType::kInt32, {1, 1})};
  item.rows = 1;
  ASSERT_TRUE(queue.Push(Request(), kStart));
  ASSERT_TRUE(queue.Push(std::make_shared<Pending>(std::move(item)), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(1, 1));
}

TEST(BatchQueue, TakesOneRequestARunUnderPolicyNone) {
  BatchQueue queue(kRoomy, None(8));
  ASSERT_TRUE(queue.Push(Request({.rows = 3}), kStart));
  ASSERT_TRUE(queue.Push(Request({.rows = 1}), kStart));
  ASSERT_TRUE(queue.Push(Request({.rows = 10}), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(3, 1, 8, 2));
}

// Runs of up to 8 rows take 10 ms a row, and twice as much is offered as can be done: the head is
// given up, but not for a batch of several others.
TEST(BatchQueue, TakesOneRequestARunUnderPolicyNoneThoughOthersAreGivenUp) {
  BatchQueue queue({.max_rows = 1000, .instances = 2, .refuse_late = false}, None(8));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), kStart));
  ASSERT_TRUE(queue.Push(Request({.rows = 1}), kStart));
  const std::uint64_t large = queue.PopReady(kStart, nullptr).number;
  const std::uint64_t small = queue.PopReady(kStart, nullptr).number;
  queue.EndRun(small, 10ms, At(10ms));
  queue.EndRun(large, 40ms, At(40ms));
  ASSERT_TRUE(queue.Push(Request({.rows = 1}), At(40ms)));
  ASSERT_TRUE(queue.PopReady(At(40ms), nullptr));

  const PendingPtr late = Request({.rows = 4, .deadline = At(65ms)});
  ASSERT_TRUE(queue.Push(late, At(40ms)));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(queue.Push(Request({.deadline = At(10s)}), At(40ms)));
  }
  const FormedBatch batch = queue.PopReady(At(40ms), nullptr);
  EXPECT_THAT(queue.RemoveDead(At(40ms)), ElementsAre(late));
  EXPECT_EQ(batch.slices.size(), 1u);
}

TEST(BatchQueue, TakesOneRowARunWhereTheModelDoes) {
  BatchQueue queue(kRoomy, Adaptive(1));
  ASSERT_TRUE(queue.Push(Request({.rows = 3}), kStart));
  const FormedBatch batch = queue.PopReady(kStart, nullptr);
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.reason, LaunchReason::kSingle);
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(1, 1));
}

TEST(BatchQueue, IsEmptyHandedWithoutWork) {
  BatchQueue queue(kRoomy, Adaptive(8));
  base::TimePoint wake;
  EXPECT_FALSE(queue.HasReady(kStart, &wake));
  EXPECT_EQ(wake, base::kNever);
  EXPECT_FALSE(queue.PopReady(kStart, &wake));
  EXPECT_EQ(wake, base::kNever);
}

// --- Order

TEST(BatchQueue, TakesHigherPriorityFirst) {
  BatchQueue queue(kRoomy, Adaptive(1));
  const PendingPtr low = Request({.priority = -1}), normal = Request(),
                   high = Request({.priority = 3});
  for (const auto& request : {low, normal, high}) ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(high.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(normal.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(low.get()));
}

TEST(BatchQueue, TakesTheEarliestExplicitDeadlineFirstWithinAPriority) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr late = Request({.deadline = At(90ms)}), soon = Request({.deadline = At(50ms)}),
                   none = Request(), urgent = Request({.priority = 1, .deadline = At(99ms)});
  for (const auto& request : {none, late, soon, urgent}) ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)),
              ElementsAre(urgent.get(), soon.get(), late.get(), none.get()));
}

TEST(BatchQueue, DoesNotOrderByDefaultDeadlines) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr first = Request({.deadline = At(90ms), .deadline_is_explicit = false});
  const PendingPtr second = Request({.deadline = At(50ms), .deadline_is_explicit = false});
  ASSERT_TRUE(queue.Push(first, kStart));
  ASSERT_TRUE(queue.Push(second, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(first.get(), second.get()));
}

TEST(BatchQueue, LaunchesTheBucketWhoseHeadIsNext) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr a1 = Request({.width = 1}), b1 = Request({.width = 2}),
                   a2 = Request({.width = 1}), c1 = Request({.priority = 1, .width = 3});
  for (const auto& request : {a1, b1, a2, c1}) ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(c1.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(a1.get(), a2.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(b1.get()));
}

TEST(BatchQueue, ContinuesASplitRequestBeforeLaterOnes) {
  BatchQueue queue(kRoomy, Adaptive(4));
  const PendingPtr big = Request({.rows = 6}), small = Request();
  ASSERT_TRUE(queue.Push(big, kStart));
  ASSERT_TRUE(queue.Push(small, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(big.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(big.get(), small.get()));
}

// --- Windows

TEST(BatchQueue, FlushesOldestItemWhenDelayElapses) {
  BatchQueue queue(kRoomy, Window(8, 10ms));
  ASSERT_TRUE(queue.Push(Request(), kStart));
  base::TimePoint wake;
  EXPECT_FALSE(queue.HasReady(At(9ms), &wake));
  EXPECT_EQ(wake, At(10ms));
  EXPECT_FALSE(queue.PopReady(At(9ms), &wake));
  EXPECT_EQ(wake, At(10ms));
  EXPECT_TRUE(queue.HasReady(At(10ms), &wake));
  const FormedBatch batch = queue.PopReady(At(10ms), &wake);
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.reason, LaunchReason::kDelay);
}

TEST(BatchQueue, FlushesAFullWindowAtOnce) {
  BatchQueue queue(kRoomy, Window(4, 10ms));
  ASSERT_TRUE(queue.Push(Request({.rows = 3}), kStart));
  EXPECT_FALSE(queue.HasReady(kStart, nullptr));
  ASSERT_TRUE(queue.Push(Request({.rows = 3}), At(1ms)));
  const FormedBatch batch = queue.PopReady(At(1ms), nullptr);
  EXPECT_EQ(batch.rows, 4);
  EXPECT_EQ(batch.reason, LaunchReason::kFull);
  base::TimePoint wake;
  EXPECT_FALSE(queue.HasReady(At(1ms), &wake));
  EXPECT_EQ(wake, At(11ms)) << "the window of the rest began with its own arrival";
}

TEST(BatchQueue, AWaitingBucketDoesNotBlockAReadyOne) {
  BatchQueue queue(kRoomy, Window(4, 10ms));
  ASSERT_TRUE(queue.Push(Request({.priority = 9, .width = 1}), kStart));
  ASSERT_TRUE(queue.Push(Request({.rows = 4, .width = 2}), kStart));
  const FormedBatch batch = queue.PopReady(kStart, nullptr);
  EXPECT_EQ(batch.rows, 4);
  EXPECT_FALSE(queue.PopReady(kStart, nullptr));
  EXPECT_EQ(queue.PopReady(At(10ms), nullptr).rows, 1);
}

TEST(BatchQueue, RemovingTheOldestMovesTheWindow) {
  BatchQueue queue(kRoomy, Window(8, 10ms));
  const PendingPtr oldest = Request();
  ASSERT_TRUE(queue.Push(oldest, kStart));
  ASSERT_TRUE(queue.Push(Request(), At(4ms)));
  ASSERT_TRUE(queue.Remove(oldest));
  base::TimePoint wake;
  EXPECT_FALSE(queue.HasReady(At(10ms), &wake));
  EXPECT_EQ(wake, At(14ms));
}

TEST(BatchQueue, DrainingEndsAllWindows) {
  BatchQueue queue(kRoomy, Window(8, 10ms));
  ASSERT_TRUE(queue.Push(Request(), kStart));
  queue.Drain();
  const FormedBatch batch = queue.PopReady(kStart, nullptr);
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.reason, LaunchReason::kDrain);
}

// --- Admission

TEST(BatchQueue, RefusesRowsBeyondItsBound) {
  BatchQueue queue({.max_rows = 4}, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request({.rows = 3}), kStart));
  const PendingPtr extra = Request({.rows = 2});
  const base::Status refused = queue.Push(extra, kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(refused.error().Reason(), "QUEUE_FULL");
  EXPECT_GT(refused.error().retry_after, 0ms);
  EXPECT_EQ(queue.waiting_rows(), 3);
  EXPECT_EQ(extra.use_count(), 1) << "the queue must not keep what it refused";
  EXPECT_TRUE(queue.Push(Request({.rows = 1}), kStart));
}

TEST(BatchQueue, RefusesBytesBeyondItsBound) {
  BatchQueue queue({.max_rows = 1000, .max_bytes = 64}, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request({.rows = 10}), kStart));
  EXPECT_EQ(queue.waiting_bytes(), 40u);
  EXPECT_FALSE(queue.Push(Request({.rows = 7}), kStart));
  EXPECT_TRUE(queue.Push(Request({.rows = 6}), kStart));
}

TEST(BatchQueue, CountsTheBytesOfStrings) {
  WorkItem item;
  item.inputs = {tensor::Tensor::Of<std::string>({2, 1}, {std::string(1000, 'x'), "y"})};
  item.rows = 2;
  EXPECT_EQ(Pending(std::move(item)).bytes, 1001 + 2 * sizeof(std::string));
}

TEST(BatchQueue, AcceptsARequestLargerThanItsBoundOnlyWhenEmpty) {
  BatchQueue queue({.max_rows = 4}, Adaptive(3));
  const PendingPtr large = Request({.rows = 10});
  ASSERT_TRUE(queue.Push(Request(), kStart));
  EXPECT_FALSE(queue.Push(large, kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(1));
  ASSERT_TRUE(queue.Push(large, kStart));
  EXPECT_FALSE(queue.Push(Request(), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(3, 3, 3, 1));
}

TEST(BatchQueue, RefusesWhatIsPastItsDeadlineAlready) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const base::Status refused = queue.Push(Request({.deadline = kStart}), kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(refused.error().Reason(), "EXPIRED");
}

TEST(BatchQueue, RefusesWhatIsCancelledAlready) {
  BatchQueue queue(kRoomy, Adaptive(8));
  base::CancelSource source;
  source.request_stop();
  const base::Status refused = queue.Push(Request({.cancelled = source.get_token()}), kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kCancelled);
}

TEST(BatchQueue, RefusesWhileDraining) {
  BatchQueue queue(kRoomy, Adaptive(8));
  queue.Drain();
  const base::Status refused = queue.Push(Request(), kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kUnavailable);
  EXPECT_EQ(refused.error().Reason(), "DRAINING");
  EXPECT_GT(refused.error().retry_after, 0ms);
}

TEST(BatchQueue, ExpiredRequestsMakeRoomForNewOnes) {
  BatchQueue queue({.max_rows = 2}, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request({.rows = 2, .deadline = At(5ms)}), kStart));
  EXPECT_FALSE(queue.Push(Request(), At(4ms)));
  EXPECT_TRUE(queue.Push(Request(), At(5ms)));
}

TEST(BatchQueue, TellsHowLongWhatWaitsWillTake) {
  BatchQueue queue({.max_rows = 10}, Adaptive(4));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), kStart));
  queue.EndRun(queue.PopReady(kStart, nullptr).number, 20ms, At(20ms));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), At(20ms)));
  ASSERT_TRUE(queue.PopReady(At(20ms), nullptr));
  ASSERT_TRUE(queue.Push(Request({.rows = 10}), At(20ms)));
  EXPECT_EQ(queue.Push(Request(), At(20ms)).error().retry_after, 50ms);
}

// --- Death in the queue

TEST(BatchQueue, NeverTakesAnExpiredRequest) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr dies = Request({.deadline = At(5ms)}), lives = Request();
  ASSERT_TRUE(queue.Push(dies, kStart));
  ASSERT_TRUE(queue.Push(lives, kStart));
  EXPECT_EQ(queue.NextDeadline(), At(5ms));
  EXPECT_THAT(RequestsOf(queue.PopReady(At(5ms), nullptr)), ElementsAre(lives.get()));
  EXPECT_THAT(queue.RemoveDead(At(5ms)), ElementsAre(dies));
  EXPECT_THAT(queue.RemoveDead(At(5ms)), IsEmpty());
  EXPECT_EQ(queue.NextDeadline(), base::kNever);
}

TEST(BatchQueue, DefaultDeadlinesExpireToo) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr dies = Request({.deadline = At(5ms), .deadline_is_explicit = false});
  ASSERT_TRUE(queue.Push(dies, kStart));
  EXPECT_THAT(queue.RemoveDead(At(5ms)), ElementsAre(dies));
}

TEST(BatchQueue, NeverTakesACancelledRequest) {
  BatchQueue queue(kRoomy, Adaptive(8));
  base::CancelSource first, middle;
  const PendingPtr a = Request({.cancelled = first.get_token()}), b = Request(),
                   c = Request({.rows = 3, .cancelled = middle.get_token()}), d = Request();
  for (const auto& request : {a, b, c, d}) ASSERT_TRUE(queue.Push(request, kStart));
  first.request_stop();
  middle.request_stop();
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(b.get(), d.get()));
  EXPECT_LE(queue.NextDeadline(), kStart) << "there is somebody to tell";
  EXPECT_THAT(queue.RemoveDead(kStart), ElementsAre(a, c));
  EXPECT_EQ(queue.waiting_rows(), 0);
}

TEST(BatchQueue, TheRestOfAPartlyTakenRequestExpires) {
  BatchQueue queue(kRoomy, Adaptive(4));
  const PendingPtr request = Request({.rows = 6, .deadline = At(5ms)});
  ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_EQ(queue.PopReady(kStart, nullptr).rows, 4);
  EXPECT_THAT(queue.RemoveDead(At(5ms)), ElementsAre(request));
  EXPECT_THAT(PopAll(queue, At(5ms)), IsEmpty());
}

TEST(BatchQueue, AWhollyTakenRequestExpiresNoMore) {
  BatchQueue queue(kRoomy, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request({.deadline = At(5ms)}), kStart));
  EXPECT_EQ(queue.PopReady(kStart, nullptr).rows, 1);
  EXPECT_EQ(queue.NextDeadline(), base::kNever);
}

TEST(BatchQueue, RemovesOnlyWhatIsThere) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr request = Request({.rows = 2});
  EXPECT_FALSE(queue.Remove(request));
  ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_TRUE(queue.Remove(request));
  EXPECT_FALSE(queue.Remove(request));
  EXPECT_THAT(PopAll(queue, kStart), IsEmpty());
  EXPECT_EQ(request.use_count(), 1);
}

// The first run took 10 ms for a row: five rows are expected to be done in 50 ms.
TEST(BatchQueue, GivesNothingUpBeforeItKnowsWhatIsOffered) {
  BatchQueue queue(kRoomy, Adaptive(8));
  ASSERT_TRUE(queue.Push(Request(), kStart));
  const std::uint64_t first = queue.PopReady(kStart, nullptr).number;
  const PendingPtr urgent = Request({.deadline = At(60ms)});
  ASSERT_TRUE(queue.Push(urgent, kStart));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(queue.Push(Request({.deadline = At(10s)}), kStart));
  queue.EndRun(first, 10ms, At(10ms));
  const FormedBatch batch = queue.PopReady(At(10ms), nullptr);
  EXPECT_THAT(queue.RemoveDead(At(10ms)), IsEmpty());
  EXPECT_EQ(batch.rows, 5);
  EXPECT_EQ(batch.slices.front().pending, urgent);
}

// --- Isolated clients

TEST(BatchQueue, ABadClientsRowsRunWithoutOthers) {
  BatchQueue queue(kRoomy, Adaptive(8));
  queue.IsolateClient("bad", kStart);
  const PendingPtr good = Request({.client = "good"}), bad1 = Request({.client = "bad"}),
                   unnamed = Request(), bad2 = Request({.client = "bad"});
  for (const auto& request : {good, bad1, unnamed, bad2}) ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(good.get(), unnamed.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(bad1.get(), bad2.get()));
}

TEST(BatchQueue, RowsThatWaitAlreadyAreIsolatedToo) {
  BatchQueue queue(kRoomy, Adaptive(8));
  const PendingPtr good = Request({.client = "good"}), bad1 = Request({.client = "bad"}),
                   bad2 = Request({.client = "bad"});
  for (const auto& request : {bad1, good, bad2}) ASSERT_TRUE(queue.Push(request, kStart));
  queue.IsolateClient("bad", kStart);
  EXPECT_EQ(queue.waiting_rows(), 3);
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(bad1.get(), bad2.get()));
  EXPECT_THAT(RequestsOf(queue.PopReady(kStart, nullptr)), ElementsAre(good.get()));
}

TEST(BatchQueue, WhatIsIsolatedWhileItWaitsIsNoWorkOnceItHasLeft) {
  BatchQueue queue({.max_rows = 12}, Adaptive(4));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), kStart));
  queue.EndRun(queue.PopReady(kStart, nullptr).number, 20ms, At(20ms));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), At(20ms)));
  ASSERT_TRUE(queue.PopReady(At(20ms), nullptr));

  const PendingPtr bad = Request({.rows = 8, .client = "bad"});
  ASSERT_TRUE(queue.Push(bad, At(20ms)));
  ASSERT_TRUE(queue.Push(Request({.rows = 4}), At(20ms)));
  queue.IsolateClient("bad", At(20ms));
  ASSERT_TRUE(queue.Remove(bad));
  EXPECT_EQ(queue.Push(Request({.rows = 9}), At(20ms)).error().retry_after, 20ms);
}

TEST(BatchQueue, IsolationEnds) {
  BatchQueue queue({.max_rows = 100, .isolate_for = 1000ms}, Adaptive(8));
  queue.IsolateClient("bad", kStart);
  ASSERT_TRUE(queue.Push(Request({.client = "bad"}), At(1000ms)));
  ASSERT_TRUE(queue.Push(Request({.client = "good"}), At(1000ms)));
  EXPECT_THAT(PopAll(queue, At(1000ms)), ElementsAre(2));
}

TEST(BatchQueue, TheUnnamedAreNeverIsolated) {
  BatchQueue queue(kRoomy, Adaptive(8));
  queue.IsolateClient("", kStart);
  ASSERT_TRUE(queue.Push(Request(), kStart));
  ASSERT_TRUE(queue.Push(Request({.client = "good"}), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(2));
}

// --- Figures

TEST(BatchQueue, CountsWhatWaits) {
  BatchQueue queue(kRoomy, Adaptive(4));
  EXPECT_EQ(queue.OldestArrival(), base::kNever);
  ASSERT_TRUE(queue.Push(Request({.rows = 3, .width = 2}), At(1ms)));
  ASSERT_TRUE(queue.Push(Request({.rows = 2, .width = 2}), At(2ms)));
  ASSERT_TRUE(queue.Push(Request({.rows = 1, .width = 1}), At(3ms)));
  EXPECT_EQ(queue.waiting_rows(), 6);
  EXPECT_EQ(queue.waiting_requests(), 3);
  EXPECT_EQ(queue.waiting_bytes(), 44u);
  EXPECT_EQ(queue.OldestArrival(), At(1ms));
  EXPECT_EQ(queue.PopReady(At(3ms), nullptr).rows, 4);
  EXPECT_EQ(queue.waiting_rows(), 2);
  EXPECT_EQ(queue.waiting_requests(), 2);
  EXPECT_EQ(queue.waiting_bytes(), 12u);
  EXPECT_EQ(queue.OldestArrival(), At(2ms));
}

TEST(BatchQueue, BytesOfASplitRequestAddUp) {
  BatchQueue queue(kRoomy, Adaptive(3));
  WorkItem item;
  item.inputs = {
      tensor::Tensor::Of<std::string>({7, 1}, std::vector<std::string>(7, std::string(33, 'x')))};
  item.rows = 7;
  ASSERT_TRUE(queue.Push(std::make_shared<Pending>(std::move(item)), kStart));
  EXPECT_THAT(PopAll(queue, kStart), ElementsAre(3, 3, 1));
  EXPECT_EQ(queue.waiting_bytes(), 0u);
}

TEST(BatchQueue, ForgetsShapesNobodySendsAnyMore) {
  BatchQueue queue(kRoomy, Adaptive(8));
  for (std::int64_t width = 1; width < 500; ++width) {
    ASSERT_TRUE(queue.Push(Request({.width = width}), kStart));
    EXPECT_EQ(queue.PopReady(kStart, nullptr).rows, 1);
  }
  ASSERT_TRUE(queue.Push(Request({.width = 1}), kStart));
  EXPECT_EQ(queue.PopReady(kStart, nullptr).rows, 1);
}

// A shape learns for as long as it is used, whatever else was tried before.
TEST(BatchQueue, RemembersHowLongTheLatestShapesTake) {
  BatchQueue queue({.max_rows = 100}, Adaptive(1));
  for (std::int64_t width = 1; width < 40; ++width) {
    ASSERT_TRUE(queue.Push(Request({.width = width}), kStart));
    queue.EndRun(queue.PopReady(kStart, nullptr).number, 1ms, kStart);
  }
  ASSERT_TRUE(queue.Push(Request({.width = 100}), kStart));
  queue.EndRun(queue.PopReady(kStart, nullptr).number, 20ms, At(20ms));
  ASSERT_TRUE(queue.Push(Request({.width = 100}), At(20ms)));
  ASSERT_TRUE(queue.PopReady(At(20ms), nullptr));
  const base::Status late = queue.Push(Request({.deadline = At(25ms), .width = 100}), At(20ms));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().Reason(), "OVERLOADED");
}

TEST(BatchQueue, LetsGoOfWhatStillWaitsWhenDestroyed) {
  const PendingPtr request = Request();
  {
    BatchQueue queue(kRoomy, Adaptive(8));
    ASSERT_TRUE(queue.Push(request, kStart));
    EXPECT_GT(request.use_count(), 1);
  }
  EXPECT_EQ(request.use_count(), 1);
}

}  // namespace
}  // namespace muster::batching
