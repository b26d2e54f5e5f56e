#include "muster/bench/load_loop.h"

#include <gmock/gmock.h>
#include <set>

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using base::Duration;
using base::TimePoint;
using testing::ElementsAre;

struct Sent {
  std::size_t connection;
  std::size_t input;
  Duration at;
};

/// A network and a server that answers after a fixed time, on a clock of the test's own.
class FakeWire final : public Wire {
 public:
  void Open(std::size_t connection) override { opening.push_back(connection); }
  void Send(std::size_t connection, std::size_t input) override {
    sent.push_back({connection, input, now - TimePoint()});
    busy.push_back({connection, now + service});
  }
  void Close(std::size_t connection) override {
    closed.push_back(connection);
    std::erase_if(busy, [&](const auto& b) { return b.first == connection; });
    std::erase(opening, connection);
  }

  TimePoint now{};
  Duration service = 2ms;
  std::vector<std::size_t> opening, closed;
  std::vector<std::pair<std::size_t, TimePoint>> busy;  // and when it answers
  std::vector<Sent> sent;
};

class LoadLoopTest : public testing::Test {
 protected:
  LoadLoop& Start() {
    loop_.emplace(plan, wire, tally);
    loop_->Begin(wire.now);
    Connect();
    return *loop_;
  }
  void Connect() {
    while (!wire.opening.empty()) {
      const std::size_t c = wire.opening.back();
      wire.opening.pop_back();
      if (refuse) {
        loop_->OnFailure(c, Failure::kRefused, wire.now);
        if (wire.opening.empty()) return;
      } else {
        loop_->OnOpened(c, wire.now);
      }
    }
  }
  /// Lets time pass in steps, each of which answers what is due to be and ticks.
  void Run(Duration time, Duration step = 1ms) {
    for (const TimePoint end = wire.now + time; wire.now < end && !loop_->done();) {
      wire.now += step;
      Answer();
      loop_->Tick(wire.now);
      Connect();
    }
  }
  void Answer() {
    auto busy = std::exchange(wire.busy, {});
    for (const auto& [connection, at] : busy) {
      if (at <= wire.now) {
        loop_->OnAnswer(connection, status, keep_alive, "body", wire.now);
      } else {
        wire.busy.push_back({connection, at});
      }
    }
  }
  Total Added() {
    Total total;
    total.Add(tally);
    return total;
  }

  LoadPlan plan{.connections = 2,
                .max_connections = 2,
                .warm_up = 10ms,
                .duration = 100ms,
                .give_up = 50ms,
                .inputs = 3};
  std::vector<Duration> arrivals;
  FakeWire wire;
  Tally tally;
  int status = 200;
  bool keep_alive = true;
  bool refuse = false;
  std::optional<LoadLoop> loop_;
};

TEST_F(LoadLoopTest, ClosedLoopKeepsOneRequestUnderWayOnEachConnection) {
  LoadLoop& loop = Start();
  Run(1s);
  EXPECT_TRUE(loop.done());
  // 2 connections, 2 ms each, over 100 ms: those of the warm-up are not among them.
  EXPECT_EQ(Added().requests(), 100u);
  EXPECT_EQ(Added().status.at(200), 100u);
  EXPECT_EQ(tally.in_time, 100u);
  EXPECT_EQ(wire.sent.size(), 110u);
  EXPECT_EQ(Added().latency.Percentile(100), 2'000'000u);
}

TEST_F(LoadLoopTest, InputsAreSentInTurn) {
  plan.connections = 1;
  plan.first_input = 2;
  Start();
  Run(10ms);
  ASSERT_GE(wire.sent.size(), 4u);
  EXPECT_EQ(wire.sent[0].input, 2u);
  EXPECT_EQ(wire.sent[1].input, 0u);
  EXPECT_EQ(wire.sent[2].input, 1u);
  EXPECT_EQ(wire.sent[3].input, 2u);
}

TEST_F(LoadLoopTest, OpenLoopSendsWhenDueAndCountsTheLatencyFromThen) {
  arrivals = {20ms, 30ms, 40ms, 41ms};
  plan.arrivals = &arrivals;
  Start();
  Run(1s);
  EXPECT_TRUE(loop_->done());
  std::vector<Duration> at;
  for (const Sent& s : wire.sent) at.push_back(s.at);
  EXPECT_THAT(at, ElementsAre(20ms, 30ms, 40ms, 41ms));
  EXPECT_EQ(Added().latency.Percentile(100), 2'000'000u);
  EXPECT_EQ(Added().lag.count, 4u);
  EXPECT_EQ(tally.waited, 0u);
}

TEST_F(LoadLoopTest, OpenLoopCountsTheWaitForAConnection) {
  arrivals = {20ms, 20ms, 20ms, 20ms};
  plan.arrivals = &arrivals;  // with two connections, so two of them wait for the first two
  wire.service = 10ms;
  Start();
  Run(1s);
  EXPECT_EQ(Added().latency.Percentile(50), Added().latency.Percentile(1));
  EXPECT_NEAR(static_cast<double>(Added().latency.Percentile(50)), 10e6, 1e5);
  EXPECT_EQ(Added().latency.Percentile(100), 20'000'000u);
  EXPECT_EQ(tally.waited, 2u);
  EXPECT_EQ(Added().lag.count, 2u);
  EXPECT_EQ(Added().lag.Percentile(100), 0u);
}

TEST_F(LoadLoopTest, OpenLoopCountsALateGeneratorsLag) {
  arrivals = {20ms, 22ms};
  plan.arrivals = &arrivals;
  Start();
  Run(30ms, 15ms);  // ticks at 15 and 30 ms only
  Run(1s);
  EXPECT_EQ(Added().lag.Percentile(100), 10'000'000u);
  EXPECT_EQ(Added().latency.Percentile(100), 12'000'000u);
}

TEST_F(LoadLoopTest, OpenLoopOpensMoreConnectionsUpToItsLimit) {
  arrivals = {20ms, 20ms, 20ms, 20ms, 20ms, 20ms};
  plan.arrivals = &arrivals;
  plan.max_connections = 5;
  wire.service = 10ms;
  Start();
  Run(1s);
  std::set<std::size_t> used;
  for (const Sent& s : wire.sent) used.insert(s.connection);
  EXPECT_EQ(used.size(), 5u);
  EXPECT_EQ(Added().status.at(200), 6u);
}

TEST_F(LoadLoopTest, OpenLoopCountsWhatCouldNeverBeSent) {
  arrivals = {20ms, 21ms, 22ms, 23ms};
  plan.arrivals = &arrivals;
  plan.connections = plan.max_connections = 1;
  plan.give_up = 200ms;
  wire.service = 1s;
  Start();
  Run(2s);
  EXPECT_TRUE(loop_->done());
  EXPECT_EQ(tally.failures[static_cast<std::size_t>(Failure::kUnsent)] +
                tally.failures[static_cast<std::size_t>(Failure::kTimeout)],
            4u);
  EXPECT_GE(tally.failures[static_cast<std::size_t>(Failure::kUnsent)], 1u);
  EXPECT_EQ(Added().requests(), 4u);
}

TEST_F(LoadLoopTest, ThreadsShareTheArrivals) {
  arrivals = {20ms, 21ms, 22ms, 23ms, 24ms};
  plan.arrivals = &arrivals;
  plan.first_arrival = 1;
  plan.stride = 2;
  Start();
  Run(1s);
  ASSERT_EQ(wire.sent.size(), 2u);
  EXPECT_EQ(wire.sent[0].at, 21ms);
  EXPECT_EQ(wire.sent[1].at, 23ms);
}

TEST_F(LoadLoopTest, GoodIsAnAnswer200WithinTheTimeAskedFor) {
  plan.slo = 1ms;
  Start();
  Run(1s);
  EXPECT_EQ(tally.good, 0u);
  EXPECT_EQ(Added().status.at(200), 100u);
}

TEST_F(LoadLoopTest, OtherStatusesAreCountedAndHaveNoLatency) {
  status = 503;
  Start();
  Run(1s);
  EXPECT_EQ(Added().status.at(503), 100u);
  EXPECT_EQ(Added().latency.count, 0u);
  EXPECT_EQ(tally.good + tally.in_time, 0u);
}

TEST_F(LoadLoopTest, AnUnansweredRequestIsGivenUpAndItsConnectionOpenedAgain) {
  wire.service = 1h;
  Start();
  Run(2s);
  EXPECT_TRUE(loop_->done());
  EXPECT_GE(tally.failures[static_cast<std::size_t>(Failure::kTimeout)], 2u);
  EXPECT_GE(wire.closed.size(), 2u);
  EXPECT_GT(wire.sent.size(), 2u);
}

TEST_F(LoadLoopTest, ARefusedConnectionIsARequestFailedAndTriedAgainLater) {
  refuse = true;
  Start();
  Run(1s);
  // One try of each every 10 ms over 100 ms.
  EXPECT_NEAR(static_cast<double>(tally.failures[static_cast<std::size_t>(Failure::kRefused)]), 20,
              2);
  EXPECT_TRUE(wire.sent.empty());
}

TEST_F(LoadLoopTest, OpenLoopLosesOneRequestForEachRefusedConnection) {
  arrivals = {20ms, 40ms};
  plan.arrivals = &arrivals;
  refuse = true;
  Start();
  Run(1s);
  EXPECT_TRUE(loop_->done());
  EXPECT_EQ(tally.failures[static_cast<std::size_t>(Failure::kRefused)], 2u);
  EXPECT_EQ(Added().requests(), 2u);
}

TEST_F(LoadLoopTest, AResetWhileBusyIsAFailureAndWhileIdleIsNone) {
  arrivals = {20ms, 90ms};
  plan.arrivals = &arrivals;
  wire.service = 30ms;
  Start();
  Run(25ms);
  ASSERT_EQ(wire.sent.size(), 1u);
  const std::size_t busy = wire.sent[0].connection;
  wire.busy.clear();
  loop_->OnFailure(busy, Failure::kReset, wire.now);
  loop_->OnFailure(1 - busy, Failure::kReset, wire.now);
  Run(1s);
  EXPECT_EQ(tally.failures[static_cast<std::size_t>(Failure::kReset)], 1u);
  EXPECT_EQ(tally.reopened, 1u);
  EXPECT_EQ(Added().status.at(200), 1u);
}

TEST_F(LoadLoopTest, AnAnswerThatClosesTheConnectionOpensItAgainAtOnce) {
  keep_alive = false;
  Start();
  Run(1s);
  EXPECT_EQ(Added().status.at(200), 100u);
  EXPECT_EQ(Added().failed(), 0u);
}

TEST_F(LoadLoopTest, ABurstOfConnectionsComesInTheMiddleAndIsUsed) {
  plan.burst = 5;
  Start();
  Run(59ms);
  EXPECT_EQ(tally.burst_attempted, 0u);
  Run(1s);
  EXPECT_EQ(tally.burst_attempted, 5u);
  EXPECT_EQ(tally.burst_failed, 0u);
  EXPECT_EQ(Added().connect.count, 5u);
  EXPECT_EQ(wire.sent.back().connection > 1 || wire.sent[wire.sent.size() - 2].connection > 1,
            true);
  EXPECT_EQ(Added().requests(), 100u + 5 * 25);
}

TEST_F(LoadLoopTest, RefusedConnectionsOfABurstAreCountedApart) {
  plan.burst = 5;
  Start();
  Run(59ms);
  refuse = true;
  Run(1ms);
  EXPECT_EQ(tally.burst_failed, 5u);
  EXPECT_EQ(Added().failed(), 0u);
  refuse = false;
  Run(1s);
  EXPECT_GT(Added().requests(), 150u);
}

TEST_F(LoadLoopTest, AShareOfTheAnswersIsCheckedAndTheFirstDifferenceKept) {
  plan.duration = 10s;
  plan.check_share = 0.25;
  std::set<std::size_t> inputs;
  plan.check = [&](std::size_t input, std::string_view body) {
    inputs.insert(input);
    EXPECT_EQ(body, "body");
    return input == 1 ? "input 1 differs" : "";
  };
  Start();
  Run(20s);
  EXPECT_NEAR(static_cast<double>(tally.checked), 2'500, 150);
  EXPECT_NEAR(static_cast<double>(tally.wrong), 833, 100);
  EXPECT_EQ(tally.first_wrong, "input 1 differs");
  EXPECT_EQ(inputs.size(), 3u);
}

TEST_F(LoadLoopTest, InterruptKeepsWhatWasMeasured) {
  Start();
  Run(60ms);
  loop_->Interrupt(wire.now);
  EXPECT_TRUE(loop_->done());
  EXPECT_EQ(loop_->timed(wire.now), 50ms);
  EXPECT_NEAR(static_cast<double>(Added().requests()), 50, 2);
}

TEST_F(LoadLoopTest, TicksAreAskedForWhenTheNextRequestIsDue) {
  arrivals = {20ms, 33ms};
  plan.arrivals = &arrivals;
  Start();
  Run(19ms);
  EXPECT_EQ(loop_->NextTick() - TimePoint(), 20ms);
}

TEST_F(LoadLoopTest, SlicesCountRequestsByWhenTheyBegan) {
  plan.slice = 30ms;  // 100 ms are 3 whole ones and a shorter last
  plan.slo = 1ms;
  Start();
  Run(1s);
  ASSERT_EQ(tally.slices.size(), 4u);
  // 2 connections, 2 ms a request, of which the last slice has time for a third as many.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(tally.slices[static_cast<std::size_t>(i)].requests, 30u);
  EXPECT_EQ(tally.slices[3].requests, 10u);
  EXPECT_EQ(tally.slices[0].ok, 30u);
  EXPECT_EQ(tally.slices[0].good, 0u);
  EXPECT_EQ(tally.slices[0].latency.Snapshot().max, 2'000'000u);
}

TEST_F(LoadLoopTest, TimesOfAnswers503And504AreKeptApart) {
  status = 503;
  Start();
  Run(1s);
  EXPECT_EQ(tally.refused.Snapshot().count, 100u);
  EXPECT_EQ(tally.refused.Snapshot().max, 2'000'000u);
  EXPECT_EQ(tally.expired.Snapshot().count, 0u);
  EXPECT_EQ(tally.latency.Snapshot().count, 0u);
}

TEST_F(LoadLoopTest, RequestsThatWaitPastTheirDeadlineAreNotSent) {
  // One connection, 10 ms a request; two are due every 10 ms, and each may wait for 15.
  plan.connections = plan.max_connections = 1;
  plan.warm_up = 0ms;
  plan.deadline = 15ms;
  wire.service = 10ms;
  for (int i = 0; i < 20; ++i) arrivals.push_back(i * 5ms);
  plan.arrivals = &arrivals;
  Start();
  Run(1s);
  const auto unsent = tally.failures[static_cast<std::size_t>(Failure::kUnsent)];
  EXPECT_EQ(unsent + wire.sent.size(), 20u);
  EXPECT_GE(unsent, 8u);
  // Late by the deadline and its own 10 ms at most, however long the overload lasts.
  EXPECT_LE(Added().latency.max, 26'000'000u);
}

}  // namespace
}  // namespace muster::bench
