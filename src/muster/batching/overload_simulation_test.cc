#include <gtest/gtest.h>

#include "muster/batching/internal/simulation.h"

// What the queue makes of more work than can be done, and of a machine that changes, on simulated
// time. Every figure is a share of what the instances could do in the largest batches.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

/// l(n) = 1n + 10 ms, deadline 100 ms.
Scenario Medium() { return {.row = 1ms, .fixed = 10ms, .deadline = 100ms}; }
/// l(n) = 0.1n + 5 ms, deadline 20 ms.
Scenario Quick() { return {.row = 100us, .fixed = 5ms, .deadline = 20ms}; }

Scenario At(Scenario scenario, double load, double jitter = 0) {
  scenario.load = load;
  scenario.jitter = jitter;
  return scenario;
}

SimulationResult Simulate(const Scenario& scenario) { return Simulation(scenario).Run(); }

// With the deadline at 100 ms and twice the load, more than 57 rows do not arrive in the time that
// their own run leaves them: 57 / 67 ms is 98.4 % of 64 / 74 ms, and no rule can do more.
TEST(Overload, OnTimeIsNearlyAllThatCanBeDoneAtTwiceTheLoad) {
  EXPECT_GE(Simulate(At(Medium(), 2)).OfCapacity(), 0.97);
  EXPECT_GE(Simulate(At(Quick(), 2)).OfCapacity(), 0.99);
}

TEST(Overload, OnTimeIsAllThatCanBeDoneAtTenTimesTheLoad) {
  EXPECT_GE(Simulate(At(Medium(), 10)).OfCapacity(), 0.99);
  EXPECT_GE(Simulate(At(Quick(), 10)).OfCapacity(), 0.99);
}

TEST(Overload, RunTimesThatVaryByAFifthCostLittle) {
  EXPECT_GE(Simulate(At(Medium(), 2, 0.2)).OfCapacity(), 0.94);
  EXPECT_GE(Simulate(At(Medium(), 10, 0.2)).OfCapacity(), 0.96);
  EXPECT_GE(Simulate(At(Quick(), 2, 0.2)).OfCapacity(), 0.96);
  EXPECT_GE(Simulate(At(Quick(), 10, 0.2)).OfCapacity(), 0.96);
}

TEST(Overload, WhatHasNoChanceIsRefusedOnArrivalWhereRunTimesAreSteady) {
  const SimulationResult result = Simulate(At(Medium(), 10));
  EXPECT_LE(result.given_up, (result.refused + result.given_up) / 100);
}

// What the rules are for: without them nearly everything that runs is late.
TEST(Overload, WithoutGivingUpAndRefusingAlmostNothingIsOnTime) {
  Scenario scenario = At(Medium(), 2);
  scenario.queue.drop_late = scenario.queue.refuse_late = false;
  EXPECT_LE(Simulate(scenario).OfCapacity(), 0.1);
}

TEST(Overload, AlmostAllIsOnTimeBelowCapacityOnAnyNumberOfInstances) {
  for (const int instances : {1, 2, 4}) {
    Scenario scenario = At(Medium(), 0.8, 0.1);
    scenario.instances = instances;
    EXPECT_GE(Simulate(scenario).OfOffered(), 0.995) << instances;
  }
}

// Fitting batches to deadlines must not shrink them until nothing is worth its fixed cost.
TEST(Overload, JustBelowCapacityNoSeedCollapses) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Scenario scenario = At(Medium(), 0.95, 0.1);
    scenario.length = 60s;
    scenario.seed = seed;
    EXPECT_GE(Simulate(scenario).OfOffered(), 0.9) << seed;
  }
}

/// What arrives at 0.4 of capacity with `deadline`, while from the fifth second on rows of a lower
/// priority flood the queue up to twelve times capacity in all.
SimulationResult Flooded(base::Duration deadline, base::Duration low_deadline, std::uint64_t seed) {
  Scenario scenario = At(Medium(), 0.4);
  scenario.deadline = deadline;
  scenario.seed = seed;
  scenario.low = {.load = 12 - 0.4, .deadline = low_deadline, .from = 5s};
  return Simulate(scenario);
}

// A row that just misses a run of 64 rows waits 74 ms for its own, which others may make as large:
// 148 ms. With 150 ms to the deadline nothing may go wrong any more.
TEST(Overload, AFloodOfLowPriorityLeavesTheHighInTime) {
  for (const auto& [deadline, share] :
       {std::pair{150ms, 0.998}, {160ms, 0.999}, {200ms, 0.999}, {400ms, 0.999}}) {
    for (const base::Duration low_deadline : {100ms, 1000ms}) {
      for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        const SimulationResult result = Flooded(deadline, low_deadline, seed);
        EXPECT_GE(result.OfOffered(), share)
            << base::ToMillis(deadline) << ' ' << base::ToMillis(low_deadline) << ' ' << seed;
        EXPECT_GT(result.low_offered, 20 * result.offered) << "that is a flood";
      }
    }
  }
}

TEST(Overload, ABurstOfTwoSecondsIsOverTwoSecondsLater) {
  Scenario scenario = At(Medium(), 0.5);
  scenario.length = 20s;
  scenario.surge = [](base::Duration t) { return t >= 5s && t < 7s ? 6.0 : 1.0; };
  const SimulationResult result = Simulate(scenario);
  for (std::size_t second = 9; second < 20; ++second) {
    EXPECT_EQ(result.on_time_in[second], result.offered_in[second]) << second;
  }
}

TEST(Slowness, OfFiveSecondsIsForgottenWithinTwo) {
  for (const double load : {0.3, 0.8, 2.0}) {
    Scenario slow = At(Medium(), load);
    slow.length = 30s;
    slow.slowness = [](base::Duration t) { return t >= 5s && t < 10s ? 20.0 : 1.0; };
    Scenario normal = slow;
    normal.slowness = [](base::Duration) { return 1.0; };
    const SimulationResult result = Simulate(slow), usual = Simulate(normal);
    for (std::size_t second = 12; second < 29; ++second) {
      EXPECT_GE(result.on_time_in[second], usual.on_time_in[second] * 9 / 10)
          << "load " << load << ", second " << second;
    }
  }
}

TEST(Slowness, ThatStaysIsLearned) {
  Scenario scenario = At(Medium(), 1);
  scenario.deadline = 400ms;
  scenario.slowness = [](base::Duration t) { return t >= 10s ? 2.0 : 1.0; };
  const SimulationResult result = Simulate(scenario);
  const double possible = scenario.Capacity() / 2;
  for (std::size_t second = 12; second < 29; ++second) {
    EXPECT_GE(static_cast<double>(result.on_time_in[second]), 0.9 * possible) << second;
  }
}

}  // namespace
}  // namespace muster::batching
