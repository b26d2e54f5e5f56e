#include "muster/base/fake_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/base/loop_conformance.h"

namespace muster::base {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FakeLoopUnderTest : public LoopUnderTest {
 public:
  Loop& loop() override { return loop_; }
  void RunUntilIdle() override { loop_.RunUntilIdle(); }
  void Advance(Duration d) override {
    clock_.Advance(d);
    loop_.RunUntilIdle();
  }
  void RunUntil(const std::function<bool()>& done) override {
    while (!done()) loop_.AwaitAndRun();
  }

 private:
  FakeClock clock_;
  FakeLoop loop_{clock_};
};

INSTANTIATE_TEST_SUITE_P(FakeLoop, LoopConformance,
                         testing::Values(LoopMaker{
                             "FakeLoop", [] { return std::make_unique<FakeLoopUnderTest>(); }}));

struct FakeLoopTest : testing::Test {
  FakeClock clock;
  FakeLoop loop{clock};
  std::vector<int> ran;
};

TEST_F(FakeLoopTest, RunTurnSaysWhetherThereWasAnything) {
  loop.Post([] {});
  EXPECT_TRUE(loop.RunTurn());
  EXPECT_FALSE(loop.RunTurn());
}

TEST_F(FakeLoopTest, WhatATaskPostsIsTheNextTurns) {
  loop.Post([&] { loop.Post([&] { ran.push_back(2); }); });
  loop.RunTurn();
  EXPECT_THAT(ran, IsEmpty());
  loop.RunTurn();
  EXPECT_THAT(ran, ElementsAre(2));
}

TEST_F(FakeLoopTest, ATimerThatSetsADueTimerEndsItsTurnFirst) {
  loop.At(clock.Now(), [&] { loop.At(clock.Now(), [&] { ran.push_back(2); }); });
  loop.RunTurn();
  EXPECT_THAT(ran, IsEmpty());
  loop.RunTurn();
  EXPECT_THAT(ran, ElementsAre(2));
}

TEST_F(FakeLoopTest, WhatAnEndOfTurnTaskAddsBelongsToTheSameTurn) {
  loop.AtEndOfTurn([&] { loop.AtEndOfTurn([&] { ran.push_back(2); }); });
  loop.RunTurn();
  EXPECT_THAT(ran, ElementsAre(2));
}

TEST_F(FakeLoopTest, TimersOfOneTimeRunInTheOrderOfSetting) {
  for (int i : {1, 2, 3}) loop.At(clock.Now(), [&, i] { ran.push_back(i); });
  loop.RunUntilIdle();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST_F(FakeLoopTest, ATimerRunsAtItsVeryTime) {
  loop.At(clock.Now() + std::chrono::nanoseconds(2), [&] { ran.push_back(1); });
  clock.Advance(std::chrono::nanoseconds(1));
  loop.RunUntilIdle();
  EXPECT_THAT(ran, IsEmpty());
  clock.Advance(std::chrono::nanoseconds(1));
  loop.RunUntilIdle();
  EXPECT_THAT(ran, ElementsAre(1));
}

TEST_F(FakeLoopTest, AwaitAndRunWaitsForAnotherThreadsPost) {
  std::jthread poster([&] { loop.Post([&] { ran.push_back(1); }); });
  loop.AwaitAndRun();
  EXPECT_THAT(ran, ElementsAre(1));
}

}  // namespace
}  // namespace muster::base
