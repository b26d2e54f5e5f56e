#include "muster/batching/internal/deficit_round_robin.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <vector>

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using FlowId = DeficitRoundRobin::FlowId;

/// Flows that always have a request waiting, on `slots` slots, for some simulated time; what each
/// has used.
struct Simulation {
  struct FlowSpec {
    double weight;
    base::Duration run;
  };
  static std::vector<double> Shares(const std::vector<FlowSpec>& specs, int slots,
                                    base::Duration length) {
    DeficitRoundRobin order(5ms);
    std::vector<FlowId> ids;
    for (const FlowSpec& spec : specs) {
      ids.push_back(order.Add(spec.weight));
      for (int i = 0; i <= slots; ++i) order.Enqueue(ids.back());
    }
    std::multimap<base::Duration, std::size_t> running;  // by end
    std::vector<double> used(specs.size());
    base::Duration now{0};
    const auto grant = [&] {
      const FlowId id = *order.Grant();
      order.Enqueue(id);
      const auto flow =
          static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
      running.emplace(now + specs[flow].run, flow);
    };
    for (int i = 0; i < slots; ++i) grant();
    while (now < length) {
      const auto [end, flow] = *running.begin();
      running.erase(running.begin());
      now = end;
      used[flow] += std::chrono::duration<double>(specs[flow].run).count();
      order.Charge(ids[flow], specs[flow].run);
      grant();
    }
    double sum = 0;
    for (const double u : used) sum += u;
    for (double& u : used) u /= sum;
    return used;
  }
};

TEST(DeficitRoundRobin, SharesTimeEquallyBetweenShortAndLongRuns) {
  const auto shares = Simulation::Shares({{1, 1ms}, {1, 10ms}}, 1, 20s);
  EXPECT_NEAR(shares[0], 0.5, 0.025);
}

TEST(DeficitRoundRobin, SharesTimeEquallyOnSeveralSlots) {
  for (const int slots : {2, 3, 8}) {
    const auto shares = Simulation::Shares({{1, 1ms}, {1, 10ms}}, slots, 20s);
    EXPECT_NEAR(shares[0], 0.5, 0.025) << slots;
  }
}

TEST(DeficitRoundRobin, SharesTimeByWeight) {
  const auto shares = Simulation::Shares({{3, 2ms}, {1, 7ms}}, 1, 20s);
  EXPECT_NEAR(shares[0], 0.75, 0.0375);
}

TEST(DeficitRoundRobin, SharesTimeEquallyWithRunsFarLongerThanTheQuantum) {
  const auto shares = Simulation::Shares({{1, 1ms}, {1, 900ms}, {1, 40ms}}, 1, 200s);
  for (const double share : shares) EXPECT_NEAR(share, 1.0 / 3, 1.0 / 60);
}

TEST(DeficitRoundRobin, StarvesNobody) {
  // Nine greedy flows and a modest one: the modest one waits for at most a round of the others.
  DeficitRoundRobin order(5ms);
  std::vector<FlowId> greedy;
  for (int i = 0; i < 9; ++i) greedy.push_back(order.Add(1));
  const FlowId modest = order.Add(1);
  for (const FlowId id : greedy) order.Enqueue(id);
  for (int i = 0; i < 100; ++i) {
    const FlowId id = *order.Grant();
    order.Enqueue(id);
    order.Charge(id, 10ms);
  }
  order.Enqueue(modest);
  base::Duration waited{0};
  for (FlowId id = *order.Grant(); id != modest; id = *order.Grant()) {
    order.Enqueue(id);
    order.Charge(id, 10ms);
    waited += 10ms;
  }
  EXPECT_LE(waited, 9 * 10ms);
}

/// The longest that a quick model waits for a slot when it asks `gap` after each of its runs of
/// 1 ms, while a slow one always has runs of 100 ms for as many slots as it has instances.
base::Duration LongestWaitOfQuick(int slots, int slow_instances, base::Duration gap) {
  DeficitRoundRobin order(5ms);
  const FlowId slow = order.Add(1), quick = order.Add(1);
  for (int i = 0; i < slow_instances; ++i) order.Enqueue(slow);
  std::multimap<base::Duration, FlowId> running;  // by end
  base::Duration now{0}, asked{0}, longest{0};
  base::Duration asks = gap;
  while (now < 100s) {
    while (running.size() < static_cast<std::size_t>(slots) && !order.idle()) {
      const FlowId id = *order.Grant();
      if (id == quick) longest = std::max(longest, now - asked);
      running.emplace(now + (id == quick ? 1ms : 100ms), id);
    }
    if (running.empty() || asks <= running.begin()->first) {
      now = asked = asks;
      asks = base::Duration::max();
      order.Enqueue(quick);
      continue;
    }
    const auto [end, id] = *running.begin();
    running.erase(running.begin());
    now = end;
    order.Charge(id, id == quick ? 1ms : 100ms);
    if (id == quick) asks = now + gap;
    if (id == slow) order.Enqueue(slow);
  }
  return longest;
}

// A run is never interrupted, so this is what can be had: the run that holds the slot, and no more.
TEST(DeficitRoundRobin, AQuickFlowWaitsForOneRunOfASlowOneAtMost) {
  for (const int slots : {1, 2, 4}) {
    for (const int more : {0, 1, 4}) {
      for (const base::Duration gap : {0ms, 1ms, 7ms, 50ms, 130ms, 1000ms}) {
        EXPECT_LE(LongestWaitOfQuick(slots, slots + more, gap), 100ms)
            << slots << ' ' << more << ' ' << base::ToMillis(gap);
      }
    }
  }
}

TEST(DeficitRoundRobin, AQuickFlowNeverWaitsWhereTheSlowOneHasFewerInstancesThanSlots) {
  for (const int slots : {2, 4}) {
    EXPECT_EQ(LongestWaitOfQuick(slots, slots - 1, 7ms), 0ms) << slots;
  }
}

TEST(DeficitRoundRobin, AFlowCannotSaveUpWhileIdle) {
  DeficitRoundRobin order(5ms);
  const FlowId idle = order.Add(1), busy = order.Add(1);
  order.Enqueue(idle);
  ASSERT_EQ(order.Grant(), idle);
  order.Charge(idle, 1ms);
  for (int i = 0; i < 1000; ++i) {
    order.Enqueue(busy);
    ASSERT_EQ(order.Grant(), busy);
    order.Charge(busy, 5ms);
  }
  order.Enqueue(busy);
  order.Enqueue(idle);
  base::Duration in_a_row{0};
  for (FlowId id = *order.Grant(); in_a_row < 100ms; id = *order.Grant()) {
    if (id == busy) break;
    order.Enqueue(id);
    order.Charge(id, 1ms);
    in_a_row += 1ms;
  }
  EXPECT_LE(in_a_row, 10ms);
}

TEST(DeficitRoundRobin, OldDebtsAreForgottenOnceTheDeviceWasIdle) {
  DeficitRoundRobin order(5ms);
  const FlowId a = order.Add(1), b = order.Add(1);
  order.Enqueue(a);
  order.Grant();
  order.Charge(a, 60s);
  order.Forget();
  for (const FlowId id : {a, b}) {
    order.Enqueue(id);
    order.Enqueue(id);
  }
  std::map<FlowId, int> grants;
  for (int i = 0; i < 4; ++i) {
    const FlowId id = *order.Grant();
    ++grants[id];
    order.Charge(id, 10ms);
  }
  EXPECT_EQ(grants[a], 2);
}

TEST(DeficitRoundRobin, GrantsNothingWhenNobodyWaits) {
  DeficitRoundRobin order(5ms);
  order.Add(1);
  EXPECT_TRUE(order.idle());
  EXPECT_EQ(order.Grant(), std::nullopt);
}

TEST(DeficitRoundRobin, UsesTheNumberOfARemovedFlowAgain) {
  DeficitRoundRobin order(5ms);
  const FlowId first = order.Add(1);
  order.Add(1);
  order.Remove(first);
  EXPECT_EQ(order.Add(2), first);
}

}  // namespace
}  // namespace muster::batching
