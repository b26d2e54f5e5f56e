#include <algorithm>
#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "muster/batching/batch_queue.h"
#include "muster/batching/batcher.h"
#include "muster/batching/internal/batcher_test_support.h"
#include "muster/batching/internal/queue_test_support.h"

// Faults that other servers' batchers have or had (docs/batching.md), each a test here.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(KnownFaults, TheDelayCountsFromArrivalAndNotFromTheWorkersPoll) {
  // The only instance is busy for 12 ms while a row waits in a window of 10 ms. When the instance
  // becomes free, the row is due; a worker that starts its delay when it looks would wait 10 more.
  Bench bench(WindowOptions(8, 10ms));
  bench.fake().Hold();
  const AnswerPtr busy = bench.Submit(std::vector<float>(8, 1.0f));
  bench.fake().AwaitRunning(1);
  const AnswerPtr waits = bench.Submit({2});
  bench.clock.Advance(12ms);
  bench.fake().Release();
  bench.Await({busy, waits});
  EXPECT_EQ((*waits->result)->queue, 12ms);
}

TEST(KnownFaults, ArrivalsDoNotRestartTheTimer) {
  Bench bench(WindowOptions(100, 10ms));
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 10; ++i) {  // one every 1 ms
    answers.push_back(bench.Submit({static_cast<float>(i)}));
    bench.AwaitIdle();
    bench.clock.Advance(1ms);
  }
  bench.Await(answers);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(10));
  EXPECT_EQ((*answers[0]->result)->queue, 10ms);
}

TEST(KnownFaults, AnotherShapeDoesNotCloseTheBatch) {
  // Shapes alternate. Closing a batch at the first mismatch would make ten runs of one row.
  BatchQueue queue({.max_rows = 100}, Adaptive(64));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(queue.Push(Request({.width = 1 + i % 2}), At(i * 1us)));
  }
  EXPECT_EQ(queue.PopReady(At(1ms), nullptr).rows, 5);
  EXPECT_EQ(queue.PopReady(At(1ms), nullptr).rows, 5);
}

TEST(KnownFaults, AnExpiredRowIsNotRunBecauseABatchMateIsAlive) {
  BatchQueue queue({.max_rows = 100}, Window(8, 10ms));
  const PendingPtr alive = Request(), expired = Request({.deadline = At(5ms)}), also = Request();
  for (const auto& request : {alive, expired, also}) ASSERT_TRUE(queue.Push(request, kStart));
  EXPECT_THAT(RequestsOf(queue.PopReady(At(10ms), nullptr)), ElementsAre(alive.get(), also.get()));
  EXPECT_THAT(queue.RemoveDead(At(10ms)), ElementsAre(expired));
}

TEST(KnownFaults, TheNewestDoNotStarveTheOldest) {
  // Overload: two arrive for each that is taken. The oldest is always the one that is taken.
  BatchQueue queue({.max_rows = 10'000}, Adaptive(1));
  std::vector<PendingPtr> requests;
  for (std::size_t step = 0; step < 1000; ++step) {
    for (int i = 0; i < 2; ++i) {
      requests.push_back(Request());
      ASSERT_TRUE(queue.Push(requests.back(), At(1us * step)));
    }
    ASSERT_THAT(RequestsOf(queue.PopReady(At(1us * step), nullptr)),
                ElementsAre(requests[step].get()));
  }
}

TEST(KnownFaults, NoWakeUpIsLost) {
  // Submitters race with executors that fall asleep; a lost wake-up leaves a request unanswered
  // and this test hanging. The clock stands still: no timer comes to the rescue.
  Bench bench(AdaptiveOptions(3, 3));
  constexpr int kThreads = 4, kEach = 500;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&bench] {
      base::FakeLoop own(bench.clock);
      for (int i = 0; i < kEach; ++i) {
        bool answered = false;
        WorkItem item = bench.Item({1});
        item.home = &own;
        item.done = [&answered](base::Result<WorkResult> result) { answered = result.has_value(); };
        bench.batcher->Submit(std::move(item));
        own.AwaitAndRun();
        ASSERT_TRUE(answered);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(bench.batcher->Snapshot().requests_answered, 1u * kThreads * kEach);
}

TEST(KnownFaults, RejectionsDoNotMakeTheQueuesCountersDrift) {
  BatchQueue queue({.max_rows = 5, .max_bytes = 64}, Adaptive(4));
  base::CancelSource cancelled;
  cancelled.request_stop();
  for (int i = 0; i < 1000; ++i) {
    const base::TimePoint now = At(i * 1ms);
    ASSERT_TRUE(queue.Push(Request({.rows = 4}), now));
    ASSERT_FALSE(queue.Push(Request({.rows = 2}), now));               // rows
    ASSERT_FALSE(queue.Push(Request({.rows = 1, .width = 20}), now));  // bytes
    ASSERT_FALSE(queue.Push(Request({.deadline = now}), now));         // expired
    ASSERT_FALSE(queue.Push(Request({.cancelled = cancelled.get_token()}), now));
    ASSERT_EQ(queue.waiting_rows(), 4);
    ASSERT_EQ(queue.waiting_bytes(), 16u);
    ASSERT_EQ(queue.PopReady(now, nullptr).rows, 4);
    ASSERT_EQ(queue.waiting_rows(), 0);
    ASSERT_EQ(queue.waiting_bytes(), 0u);
    ASSERT_EQ(queue.waiting_requests(), 0);
  }
}

TEST(KnownFaults, NoJobIsDroppedAtShutdown) {
  // Submitters go on while the batcher drains: everyone gets an answer, a value or "draining".
  Bench bench(AdaptiveOptions(4, 2));
  constexpr int kThreads = 3, kEach = 300;
  std::vector<std::vector<AnswerPtr>> answers(kThreads);
  std::atomic<int> submitted{0};
  {
    std::vector<std::jthread> threads;
    for (auto& mine : answers) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          mine.push_back(bench.Submit({1}));
          submitted.fetch_add(1);
          submitted.notify_all();
        }
      });
    }
    for (int seen = submitted; seen < kThreads * kEach / 2; seen = submitted) submitted.wait(seen);
    bench.batcher->Drain();
  }
  bench.loop.RunUntilIdle();
  std::uint64_t values = 0, refusals = 0;
  for (const auto& mine : answers) {
    for (const AnswerPtr& answer : mine) {
      ASSERT_EQ(answer->times, 1);
      if (answer->result->has_value()) {
        ++values;
      } else {
        ASSERT_THAT(answer->result->error().Reason(), ::testing::AnyOf("DRAINING", "QUEUE_FULL"));
        ++refusals;
      }
    }
  }
  const BatcherSnapshot snapshot = bench.batcher->Snapshot();
  EXPECT_EQ(snapshot.requests_answered, values);
  EXPECT_EQ(snapshot.requests_refused, refusals);
  EXPECT_EQ(snapshot.waiting_requests, 0);
}

}  // namespace
}  // namespace muster::batching
