#pragma once

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "muster/base/loop.h"

namespace muster::base {

/// A loop together with the thread that runs it, which is the caller's: what an implementation of
/// Loop gives the suite below. Destroyed, it destroys the loop.
class LoopUnderTest {
 public:
  virtual ~LoopUnderTest() = default;
  virtual Loop& loop() = 0;
  /// Runs turns until nothing is posted and no timer is due.
  virtual void RunUntilIdle() = 0;
  /// Lets at least `d` pass by the loop's clock and runs what is due then, until idle.
  virtual void Advance(Duration d) = 0;
  /// Runs turns, waiting where there is nothing to run, until `done`.
  virtual void RunUntil(const std::function<bool()>& done) = 0;
};

struct LoopMaker {
  std::string name;
  std::function<std::unique_ptr<LoopUnderTest>()> make;
  friend std::ostream& operator<<(std::ostream& out, const LoopMaker& maker) {
    return out << maker.name;
  }
};

/// What every Loop promises. In the test of an implementation, once per program:
///
///   INSTANTIATE_TEST_SUITE_P(FakeLoop, LoopConformance,
///                            testing::Values(LoopMaker{"FakeLoop", [] { return ...; }}));
class LoopConformance : public testing::TestWithParam<LoopMaker> {
 protected:
  Loop& loop() { return under_test_->loop(); }
  Loop::Task Note(std::string what) {
    return [this, what = std::move(what)] { ran_.push_back(what); };
  }
  using Ran = std::vector<std::string>;

  Ran ran_;
  std::unique_ptr<LoopUnderTest> under_test_ = GetParam().make();
};

TEST_P(LoopConformance, RunsPostedTasksInTheOrderOfPosting) {
  for (const char* name : {"a", "b", "c"}) loop().Post(Note(name));
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"a", "b", "c"}));
}

TEST_P(LoopConformance, PostRunsNothingInline) {
  loop().Post(Note("posted"));
  EXPECT_EQ(ran_, Ran{});
}

TEST_P(LoopConformance, PostFromATaskRunsNothingInline) {
  loop().Post([this] {
    loop().Post(Note("inner"));
    ran_.push_back("outer");
  });
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"outer", "inner"}));
}

TEST_P(LoopConformance, AtEndOfTurnRunsNothingInline) {
  loop().Post([this] {
    loop().AtEndOfTurn(Note("end"));
    ran_.push_back("task");
  });
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"task", "end"}));
}

TEST_P(LoopConformance, ATimerThatIsAlreadyDueRunsNothingInline) {
  loop().Post([this] {
    loop().At(loop().Now(), Note("timer"));
    ran_.push_back("task");
  });
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"task", "timer"}));
}

TEST_P(LoopConformance, EndOfTurnComesAfterTheHandlersThatWereReadyTogether) {
  loop().Post([this] { loop().AtEndOfTurn(Note("end")); });
  loop().Post(Note("a"));
  loop().Post(Note("b"));
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"a", "b", "end"}));
}

TEST_P(LoopConformance, EndOfTurnComesBeforeTheLoopWaits) {
  bool ended = false;
  loop().Post([&] { loop().AtEndOfTurn([&] { ended = true; }); });
  // Nothing else will ever be ready: a loop that waits first waits for good.
  under_test_->RunUntil([&] { return ended; });
  EXPECT_TRUE(ended);
}

TEST_P(LoopConformance, EndOfTurnTasksRunOnceInTheOrderOfAdding) {
  loop().Post([this] {
    loop().AtEndOfTurn(Note("first"));
    loop().AtEndOfTurn(Note("second"));
  });
  under_test_->RunUntilIdle();
  loop().Post(Note("next turn"));
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"first", "second", "next turn"}));
}

TEST_P(LoopConformance, AnEndOfTurnTaskMayAddAnother) {
  bool ended = false;
  loop().Post([&] { loop().AtEndOfTurn([&] { loop().AtEndOfTurn([&] { ended = true; }); }); });
  under_test_->RunUntil([&] { return ended; });
  EXPECT_TRUE(ended);
}

TEST_P(LoopConformance, WhatAnEndOfTurnTaskPostsRuns) {
  loop().Post([this] { loop().AtEndOfTurn([this] { loop().Post(Note("posted")); }); });
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, Ran{"posted"});
}

TEST_P(LoopConformance, ATimersTurnHasAnEndToo) {
  loop().At(loop().Now() + std::chrono::milliseconds(1), [this] {
    loop().AtEndOfTurn(Note("end"));
    ran_.push_back("timer");
  });
  under_test_->Advance(std::chrono::milliseconds(2));
  EXPECT_EQ(ran_, (Ran{"timer", "end"}));
}

TEST_P(LoopConformance, TimersRunInTheOrderOfTheirTimes) {
  const TimePoint now = loop().Now();
  loop().At(now + std::chrono::milliseconds(3), Note("3"));
  loop().At(now + std::chrono::milliseconds(1), Note("1"));
  loop().At(now + std::chrono::milliseconds(2), Note("2"));
  under_test_->Advance(std::chrono::milliseconds(4));
  EXPECT_EQ(ran_, (Ran{"1", "2", "3"}));
}

TEST_P(LoopConformance, ATimerRunsNoEarlierThanItsTime) {
  const TimePoint when = loop().Now() + std::chrono::milliseconds(5);
  TimePoint ran_at{};
  loop().At(when, [&] { ran_at = loop().Now(); });
  under_test_->Advance(std::chrono::milliseconds(1));
  under_test_->Advance(std::chrono::milliseconds(5));
  EXPECT_GE(ran_at, when);
}

TEST_P(LoopConformance, ATimerWhoseTimeHasNotComeIsSilent) {
  loop().At(loop().Now() + std::chrono::hours(1), Note("too early"));
  under_test_->Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(ran_, Ran{});
}

TEST_P(LoopConformance, ATimerMayBeNever) {
  loop().At(kNever, Note("never"));
  under_test_->Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(ran_, Ran{});
}

TEST_P(LoopConformance, ATimerMaySetTheNext) {
  loop().At(loop().Now() + std::chrono::milliseconds(1), [this] {
    ran_.push_back("first");
    loop().At(loop().Now() + std::chrono::milliseconds(1), Note("second"));
  });
  under_test_->Advance(std::chrono::milliseconds(1));
  under_test_->Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(ran_, (Ran{"first", "second"}));
}

TEST_P(LoopConformance, ACancelledTimerIsSilent) {
  const TimePoint when = loop().Now() + std::chrono::milliseconds(1);
  const Loop::TimerId cancelled = loop().At(when, Note("cancelled"));
  loop().At(when, Note("kept"));
  loop().CancelTimer(cancelled);
  under_test_->Advance(std::chrono::milliseconds(2));
  EXPECT_EQ(ran_, Ran{"kept"});
}

TEST_P(LoopConformance, ATimerMayCancelOneThatIsDueTogetherWithIt) {
  const TimePoint now = loop().Now();
  Loop::TimerId second = 0;
  loop().At(now + std::chrono::milliseconds(1), [&] { loop().CancelTimer(second); });
  second = loop().At(now + std::chrono::milliseconds(2), Note("second"));
  under_test_->Advance(std::chrono::milliseconds(3));
  EXPECT_EQ(ran_, Ran{});
}

TEST_P(LoopConformance, CancellingWhatHasFiredOrNeverWasDoesNothing) {
  const Loop::TimerId fired = loop().At(loop().Now(), Note("fired"));
  under_test_->RunUntilIdle();
  loop().CancelTimer(fired);
  loop().CancelTimer(~Loop::TimerId{0});
  loop().At(loop().Now(), Note("still works"));
  under_test_->RunUntilIdle();
  EXPECT_EQ(ran_, (Ran{"fired", "still works"}));
}

TEST_P(LoopConformance, KeepsTheOrderOfEachThreadThatPosts) {
  constexpr int kThreads = 4, kTasks = 200;
  std::vector<std::vector<int>> ran(kThreads);  // touched by the loop's thread only
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kTasks; ++i) {
          loop().Post([&ran, t, i] { ran[static_cast<std::size_t>(t)].push_back(i); });
        }
      });
    }
    under_test_->RunUntil([&] {
      std::size_t sum = 0;
      for (const auto& of_thread : ran) sum += of_thread.size();
      return sum == kThreads * kTasks;
    });
  }
  std::vector<int> in_order(kTasks);
  for (int i = 0; i < kTasks; ++i) in_order[static_cast<std::size_t>(i)] = i;
  for (const auto& of_thread : ran) EXPECT_EQ(of_thread, in_order);
}

TEST_P(LoopConformance, RunsEverythingOnItsOneThread) {
  std::thread::id task, end, timer;
  std::jthread([&] {
    loop().Post([&] {
      task = std::this_thread::get_id();
      loop().AtEndOfTurn([&] { end = std::this_thread::get_id(); });
      loop().At(loop().Now(), [&] { timer = std::this_thread::get_id(); });
    });
  }).join();
  under_test_->RunUntilIdle();
  EXPECT_EQ((std::vector{task, end, timer}), std::vector(3, std::this_thread::get_id()));
}

TEST_P(LoopConformance, IsCurrentInItsTasksOnly) {
  bool posted = false, end = false, timer = false, elsewhere = true;
  EXPECT_FALSE(loop().IsCurrent());
  loop().Post([&] {
    posted = loop().IsCurrent();
    loop().AtEndOfTurn([&] { end = loop().IsCurrent(); });
    loop().At(loop().Now(), [&] { timer = loop().IsCurrent(); });
    std::jthread([&] { elsewhere = loop().IsCurrent(); }).join();
  });
  under_test_->RunUntilIdle();
  EXPECT_TRUE(posted && end && timer);
  EXPECT_FALSE(elsewhere);
  EXPECT_FALSE(loop().IsCurrent());
}

TEST_P(LoopConformance, IsNotCurrentInAnotherLoopsTask) {
  const auto other = GetParam().make();
  bool current = true;
  other->loop().Post([&] { current = loop().IsCurrent(); });
  other->RunUntilIdle();
  EXPECT_FALSE(current);
}

TEST_P(LoopConformance, ATurnAndItsEndShareANumberThatTheNextTurnDoesNotHave) {
  std::vector<std::uint64_t> first, second;
  const auto note = [this](std::vector<std::uint64_t>& turns) {
    loop().Post([this, &turns] {
      turns.push_back(loop().turn());
      for (int i = 0; i < 2; ++i) {
        loop().AtEndOfTurn([this, &turns] { turns.push_back(loop().turn()); });
      }
    });
    under_test_->RunUntilIdle();
  };
  note(first);
  note(second);
  EXPECT_EQ(first, std::vector<std::uint64_t>(3, first[0]));
  EXPECT_EQ(second, std::vector<std::uint64_t>(3, second[0]));
  EXPECT_NE(first[0], second[0]);
}

TEST_P(LoopConformance, DestroysATaskBeforeTheNextOneRuns) {
  const auto held = std::make_shared<int>();
  long seen = 0;
  loop().Post([held] {});
  loop().Post([&] { seen = held.use_count(); });
  under_test_->RunUntilIdle();
  EXPECT_EQ(seen, 1);
}

TEST_P(LoopConformance, ACancelledTimerLetsGoOfWhatItHolds) {
  const auto held = std::make_shared<int>();
  loop().CancelTimer(loop().At(loop().Now() + std::chrono::hours(1), [held] {}));
  under_test_->RunUntilIdle();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_P(LoopConformance, DestroysUnrunWhatIsLeftWhenItEnds) {
  const auto held = std::make_shared<int>();
  bool ran = false;
  loop().Post([held, &ran] { ran = true; });
  loop().At(loop().Now() + std::chrono::hours(1), [held, &ran] { ran = true; });
  under_test_.reset();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(ran);
}

}  // namespace muster::base
