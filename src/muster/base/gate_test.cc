#include "muster/base/gate.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace muster::base {
namespace {

TEST(Gate, CountsWhatIsInside) {
  Gate gate;
  ASSERT_TRUE(gate.Enter());
  ASSERT_TRUE(gate.Enter());
  gate.Leave();
  EXPECT_EQ(gate.inside(), 1);
}

TEST(Gate, LetsNothingInOnceClosed) {
  Gate gate;
  gate.Close();
  EXPECT_TRUE(gate.closed());
  EXPECT_FALSE(gate.Enter());
  EXPECT_EQ(gate.inside(), 0);
}

TEST(Gate, LetsOutWhatWasInsideWhenItClosed) {
  Gate gate;
  ASSERT_TRUE(gate.Enter());
  gate.Close();
  gate.Leave();
  EXPECT_EQ(gate.inside(), 0);
}

TEST(Gate, AwaitEmptyReturnsAtOnceWhenNothingIsInside) {
  Gate gate;
  gate.Close();
  gate.AwaitEmpty();
}

TEST(Gate, AwaitEmptyWaitsForTheLastToLeave) {
  Gate gate;
  std::atomic<int> left = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(gate.Enter());
    threads.emplace_back([&] {
      ++left;
      gate.Leave();
    });
  }
  gate.Close();
  gate.AwaitEmpty();
  EXPECT_EQ(left, 4);
}

TEST(Gate, MayBeDestroyedOnceItIsEmpty) {
  for (int i = 0; i < 100; ++i) {
    auto gate = std::make_unique<Gate>();
    ASSERT_TRUE(gate->Enter());
    std::jthread worker([inside = gate.get()] { inside->Leave(); });
    gate->Close();
    gate->AwaitEmpty();
    gate.reset();
  }
}

TEST(GateDeathTest, LeavingWithoutEnteringAborts) { EXPECT_DEATH(Gate().Leave(), "without Enter"); }

TEST(GateDeathTest, AwaitingAnOpenGateAborts) { EXPECT_DEATH(Gate().AwaitEmpty(), "before Close"); }

}  // namespace
}  // namespace muster::base
