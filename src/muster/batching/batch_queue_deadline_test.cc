#include <gtest/gtest.h>

#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/queue_test_support.h"

// Deadlines held against what has been learned; figures over time are
// overload_simulation_test.cc's.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

/// A queue that has seen l(n) = 1n + 10 ms in all sizes, and its instances idle.
class DeadlineTest : public ::testing::Test {
 protected:
  void Learn(QueueOptions options = {.max_rows = 1000}) {
    options.max_run_rows = 64;
    queue_ = std::make_unique<BatchQueue>(options, Adaptive(64));
    for (int round = 0; round < 4; ++round) {
      for (std::int64_t rows = 1; rows <= 64; rows *= 2) {
        ASSERT_TRUE(queue_->Push(Request({.rows = rows}), now_));
        Run();
      }
    }
  }
  FormedBatch Pop() { return queue_->PopReady(now_, nullptr); }
  /// Takes a batch and lets its time pass.
  void Run() {
    const FormedBatch batch = Pop();
    const base::Duration took = 10ms + 1ms * batch.rows;
    now_ += took;
    queue_->EndRun(batch.number, took, now_);
  }
  PendingPtr Push(base::Duration left, RequestOptions options = {}) {
    options.deadline = now_ + left;
    PendingPtr request = Request(options);
    EXPECT_TRUE(queue_->Push(request, now_));
    return request;
  }

  std::unique_ptr<BatchQueue> queue_;
  base::TimePoint now_ = kStart;
};

TEST_F(DeadlineTest, ABatchIsSmallEnoughForItsFirstRow) {
  Learn();
  now_ += 5s;  // nothing has been offered for long
  Push(21ms);
  for (int i = 0; i < 40; ++i) Push(1s);
  const FormedBatch batch = Pop();
  EXPECT_NEAR(static_cast<double>(batch.rows), 11, 1);
  EXPECT_EQ(batch.reason, LaunchReason::kDeadline);
}

TEST_F(DeadlineTest, TheServersDefaultDeadlineShapesNoBatch) {
  Learn();
  now_ += 5s;
  Push(21ms, {.deadline_is_explicit = false});
  for (int i = 0; i < 39; ++i) Push(1s);
  EXPECT_EQ(Pop().rows, 40);
}

TEST_F(DeadlineTest, UnderOverloadRowsThatWouldBeLateAreGivenUp) {
  Learn({.max_rows = 1000, .refuse_late = false});
  std::vector<PendingPtr> late;
  for (int i = 0; i < 20; ++i) late.push_back(Push(20ms));
  for (int i = 0; i < 200; ++i) Push(200ms);
  const FormedBatch batch = Pop();
  EXPECT_EQ(batch.rows, 64);
  for (const Slice& slice : batch.slices) EXPECT_GE(slice.pending->item.deadline, now_ + 74ms);
  const std::vector<PendingPtr> dead = queue_->RemoveDead(now_);
  EXPECT_EQ(dead.size(), late.size());
  for (const PendingPtr& pending : dead) EXPECT_TRUE(pending->given_up);
}

TEST_F(DeadlineTest, WhatCannotBeInTimeEvenAloneRunsIfNothingElseWaits) {
  Learn();
  Push(2ms);
  EXPECT_EQ(Pop().rows, 1);
}

TEST_F(DeadlineTest, RefusesWhatHasNoChanceAndSaysWhenItWouldHave) {
  Learn();
  now_ += 5s;
  for (int i = 0; i < 64; ++i) Push(1s);
  ASSERT_EQ(Pop().rows, 64);  // until now + 74 ms
  now_ += 14ms;
  const base::Status refused = queue_->Push(Request({.deadline = now_ + 50ms}), now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kUnavailable);
  EXPECT_EQ(refused.error().Reason(), "OVERLOADED");
  // 60 ms until the instance is free and 11 of its own: 21 too many.
  EXPECT_NEAR(static_cast<double>(refused.error().retry_after.count()), 21, 1);
  now_ += refused.error().retry_after;
  EXPECT_TRUE(queue_->Push(Request({.deadline = now_ + 50ms}), now_));
}

TEST_F(DeadlineTest, SaysBeforehandWhatItWouldRefuse) {
  Learn();
  now_ += 5s;
  EXPECT_TRUE(queue_->WouldAccept(now_ + 1us, now_)) << "an instance is free and nothing waits";
  now_ += 1s;  // that one never comes
  for (int i = 0; i < 64; ++i) Push(1s);
  ASSERT_EQ(Pop().rows, 64);  // until now + 74 ms
  const base::Status refused = queue_->WouldAccept(now_ + 50ms, now_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Reason(), "OVERLOADED");
  EXPECT_EQ(refused.error().retry_after,
            queue_->Push(Request({.deadline = now_ + 50ms}), now_).error().retry_after);
  EXPECT_TRUE(queue_->WouldAccept(now_ + 1s, now_));
  EXPECT_EQ(queue_->waiting_rows(), 0);
  queue_->Drain();
  EXPECT_EQ(queue_->WouldAccept(now_ + 1s, now_).error().Reason(), "DRAINING");
}

TEST_F(DeadlineTest, WhatWasLetInCountsUntilItsBodyIsHere) {
  Learn();
  now_ += 5s;
  const auto ask = [&] { return queue_->WouldAccept(now_ + 100ms, now_); };
  int let_in = 0;
  while (let_in < 1000 && ask()) ++let_in;
  EXPECT_GE(let_in, 64) << "a run of 64 takes 74 ms";
  EXPECT_LE(let_in, 192);
  EXPECT_EQ(ask().error().Reason(), "OVERLOADED");
  EXPECT_EQ(queue_->waiting_rows(), 0);

  auto arrived = Request({.deadline = now_ + 100ms});
  arrived->item.announced = true;
  EXPECT_TRUE(queue_->Push(arrived, now_)) << "its own place is not taken twice";
  EXPECT_FALSE(ask()) << "it waits here instead";
  ASSERT_TRUE(queue_->Remove(arrived));
  EXPECT_TRUE(ask());

  now_ += 499ms;
  EXPECT_FALSE(ask());
  now_ += 1ms;
  EXPECT_TRUE(ask()) << "bodies that do not come hold no places";
}

TEST_F(DeadlineTest, NeverRefusesWhileAnInstanceIsFreeAndNothingWaits) {
  Learn();
  EXPECT_TRUE(queue_->Push(Request({.deadline = now_ + 1us}), now_));
}

TEST_F(DeadlineTest, RowsBehindDoNotCount) {
  Learn();
  now_ += 5s;
  for (int i = 0; i < 120; ++i) Push(20s);
  ASSERT_EQ(Pop().rows, 64);
  // The run takes 74 ms and 56 rows wait; an urgent row passes them all.
  EXPECT_TRUE(queue_->Push(Request({.deadline = now_ + 100ms}), now_));
  EXPECT_FALSE(queue_->Push(Request({.priority = -1, .deadline = now_ + 100ms}), now_));
}

TEST_F(DeadlineTest, ALowerClassDoesNotJoinARunThatWouldMakeItLate) {
  Learn();
  now_ += 5s;
  Push(15ms, {.priority = 0});
  for (int i = 0; i < 30; ++i) Push(10s, {.priority = 1});
  EXPECT_EQ(Pop().rows, 30);
}

TEST_F(DeadlineTest, ShowsWhatItHasLearned) {
  Learn();
  EXPECT_EQ(queue_->EfficientRows(now_), 64);
  const std::vector<CurvePoint> curve = queue_->Curve(now_);
  ASSERT_EQ(curve.size(), 7u);
  EXPECT_EQ(curve.back().runs, 4u);
  EXPECT_NEAR(static_cast<double>(curve.back().typical.count()), 74e6, 1e6);
}

}  // namespace
}  // namespace muster::batching
