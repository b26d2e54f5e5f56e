#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <utility>
#include <vector>

#include "muster/batching/batcher.h"
#include "muster/batching/internal/batcher_test_support.h"
#include "muster/batching/internal/turn_budget.h"

// Runs on an event loop's own thread. What a loop does itself is there when its turn is over: these
// tests wait only for what executors do.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

model::FakeModelOptions Inline(base::Duration run = 0us) {
  model::FakeModelOptions options;
  options.completes_inline = true;
  options.latency = [run](std::int64_t) { return run; };
  return options;
}

BatcherOptions OneRequestARun(int instances = 1) {
  BatcherOptions options = AdaptiveOptions(8, instances);
  options.policy.kind = PolicyKind::kNone;
  return options;
}

class CallerBench : public Bench {
 public:
  explicit CallerBench(BatcherOptions options = AdaptiveOptions(8),
                       model::FakeModelOptions model_options = Inline())
      : Bench(std::move(options), std::move(model_options)) {}

  /// Shows the batcher on its executors how long runs of `rows` rows take.
  void Learn(std::size_t rows, int runs = TurnBudget::kEnough) {
    for (int i = 0; i < runs; ++i) Await(Submit(std::vector<float>(rows, 0.5f)));
    AwaitIdle();
    learnt_ = batcher->Snapshot();
  }
  AnswerPtr SubmitFrom(base::Loop& home, WorkItem item) {
    auto answer = std::make_shared<Answer>();
    item.home = &home;
    item.done = [answer](base::Result<WorkResult> result) {
      answer->result = std::move(result);
      ++answer->times;
    };
    batcher->Submit(std::move(item));
    return answer;
  }
  AnswerPtr SubmitFrom(base::Loop& home, const std::vector<float>& values) {
    return SubmitFrom(home, Item(values));
  }
  /// One turn of the loop in which `f` is called.
  void Turn(std::function<void()> f) {
    loop.Post(std::move(f));
    loop.RunTurn();
  }
  /// One turn in which one request arrives.
  AnswerPtr TurnWith(const std::vector<float>& values) {
    AnswerPtr answer;
    Turn([&] { answer = Submit(values); });
    return answer;
  }
  std::uint64_t caller_runs() const { return batcher->Snapshot().caller_runs; }
  /// Since Learn.
  std::uint64_t wakeups() const { return batcher->Snapshot().wakeups - learnt_.wakeups; }
  std::vector<std::int64_t> NewRunSizes() {
    std::vector<std::int64_t> sizes = RunSizes();
    sizes.erase(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(learnt_.runs));
    return sizes;
  }

 private:
  BatcherSnapshot learnt_;
};

// --- The loop runs its own rows

TEST(BatcherCaller, AnswersTheRowsOfATurnAtItsEndInOneRun) {
  CallerBench bench;
  bench.Learn(4);
  std::vector<AnswerPtr> answers;
  bench.Turn([&] {
    for (const float x : {1.0f, 2.0f, 3.0f}) answers.push_back(bench.Submit({x}));
    EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 3);
    EXPECT_FALSE(answers[0]->done()) << "never inline";
  });
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(answers[i]->times, 1);
    EXPECT_THAT(answers[i]->values(), ElementsAre(2.0f * static_cast<float>(i + 1)));
    EXPECT_EQ((*answers[i]->result)->batch_size, 3);
  }
  EXPECT_THAT(bench.NewRunSizes(), ElementsAre(3));
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(bench.wakeups(), 0u);
}

TEST(BatcherCaller, MakesAsManyRunsAsTheRowsOfItsTurnTake) {
  CallerBench bench(AdaptiveOptions(4));
  bench.Learn(4);
  const AnswerPtr answer = bench.TurnWith({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  ASSERT_TRUE(answer->done());
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18, 20));
  EXPECT_THAT(bench.NewRunSizes(), ElementsAre(4, 4, 2));
  EXPECT_EQ(bench.caller_runs(), 3u);
}

TEST(BatcherCaller, EveryTurnHasAnEndOfItsOwn) {
  CallerBench bench;
  bench.Learn(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bench.TurnWith({1})->done());
  EXPECT_EQ(bench.caller_runs(), 3u);
}

TEST(BatcherCaller, ReportsItsBatchesBeforeTheirAnswers) {
  BatcherOptions options = AdaptiveOptions(8);
  int reports = 0;
  options.on_batch = [&](bool succeeded, base::TimePoint) { reports += succeeded ? 1 : 100; };
  CallerBench bench(options);
  bench.Learn(1);
  const int learnt = reports;
  int at_answer = 0;
  bench.Turn([&] {
    WorkItem item = bench.Item({1});
    item.home = &bench.loop;
    item.done = [&](auto) { at_answer = reports; };
    bench.batcher->Submit(std::move(item));
  });
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(at_answer, learnt + 1);
}

TEST(BatcherCaller, AnAnswerMaySubmitTheNextRequest) {
  CallerBench bench;
  bench.Learn(1);
  AnswerPtr second;
  bench.Turn([&] {
    WorkItem item = bench.Item({1});
    item.home = &bench.loop;
    item.done = [&](base::Result<WorkResult>) {
      second = bench.Submit({2});
      EXPECT_FALSE(second->done()) << "never inline";
    };
    bench.batcher->Submit(std::move(item));
  });
  ASSERT_TRUE(second != nullptr && second->done());
  EXPECT_EQ(bench.caller_runs(), 2u);
}

TEST(BatcherCaller, AnExecutorsInstanceIsFreeBeforeItsAnswersAreThere) {
  CallerBench bench;
  bench.Learn(1);
  for (int i = 0; i < 100; ++i) {
    AnswerPtr next;
    WorkItem item = bench.Item({1});
    item.home = &bench.loop;
    item.done = [&](base::Result<WorkResult>) { next = bench.Submit({2}); };
    bench.batcher->Submit(std::move(item));  // from no turn
    while (next == nullptr) bench.loop.AwaitAndRun();
    ASSERT_TRUE(next->done());
  }
  EXPECT_EQ(bench.caller_runs(), 100u);
}

TEST(BatcherCaller, HoldsASlotMeanwhileAndIsChargedTheTimeOfTheRun) {
  model::FakeModelOptions options = Inline(50us);
  CallerBench* asked = nullptr;
  int held = -1;
  options.function = [&](float x) {
    if (asked != nullptr) held = asked->device.held();
    return 2 * x;
  };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(1);
  const std::size_t charges = bench.device.charges().size();
  asked = &bench;
  ASSERT_TRUE(bench.TurnWith({1})->done());
  EXPECT_EQ(held, 1);
  EXPECT_EQ(bench.device.held(), 0);
  ASSERT_EQ(bench.device.charges().size(), charges + 1);
  EXPECT_EQ(bench.device.charges().back(), 50us);
}

TEST(BatcherCaller, FiguresAreExact) {
  CallerBench bench;
  bench.Learn(2);
  const BatcherSnapshot before = bench.batcher->Snapshot();
  const AnswerPtr answer = bench.TurnWith({1, 2});
  const BatcherSnapshot s = bench.batcher->Snapshot();
  EXPECT_EQ(s.requests_answered, before.requests_answered + 1);
  EXPECT_EQ(s.rows_succeeded, before.rows_succeeded + 2);
  EXPECT_EQ(s.runs, before.runs + 1);
  EXPECT_EQ(s.batch_rows.count, s.runs);
  EXPECT_EQ(s.running, 0);
  EXPECT_EQ(s.running_rows, 0);
  EXPECT_EQ(s.waiting_rows, 0);
}

/// What policy aimd waits for after runs that were all quick.
std::int64_t Grown(std::int64_t runs) {
  double rows = 32;
  for (std::int64_t i = 0; i < runs; ++i) rows = std::min(rows * 1.2, 512.0);
  return static_cast<std::int64_t>(rows);
}

// The loop finds rows that were a full batch when they came, and no longer are: its own run has
// made policy aimd want more. They still run when their window ends.
TEST(BatcherCaller, RowsThatAreNoLongerEnoughForABatchAreNotForgotten) {
  BatcherOptions policy = AdaptiveOptions(512);
  policy.policy.kind = PolicyKind::kAimd;
  policy.policy.max_wait = 10ms;
  model::FakeModelOptions options = Inline();
  options.latency = [](std::int64_t rows) { return rows == 1 ? 300ms : 0ms; };
  CallerBench* bench_in_run = nullptr;
  AnswerPtr meanwhile;
  options.function = [&](float x) {
    if (bench_in_run != nullptr) {
      meanwhile = std::exchange(bench_in_run, nullptr)->Submit(std::vector<float>(270, 1.0f));
    }
    return 2 * x;
  };
  CallerBench bench(policy, options);
  const int quick = 16 + TurnBudget::kEnough;
  for (int i = 0; i < quick; ++i) {
    bench.Await(bench.Submit(std::vector<float>(static_cast<std::size_t>(Grown(i)), 0.5f)));
  }
  for (int i = 0; i < 3; ++i) {  // 512 × 0.8³ = 262
    const AnswerPtr slow = bench.Submit({1});
    bench.clock.AwaitDeadline(bench.clock.Now() + 10ms);
    bench.clock.Advance(10ms);
    bench.Await(slow);
  }
  bench.AwaitIdle();
  bench_in_run = &bench;
  ASSERT_TRUE(bench.TurnWith(std::vector<float>(262, 1.0f))->done());
  ASSERT_EQ(bench.caller_runs(), 1u);
  ASSERT_FALSE(meanwhile->done());
  bench.clock.AwaitDeadline(bench.clock.Now() + 10ms);
  bench.clock.Advance(10ms);
  bench.Await(meanwhile);
  EXPECT_EQ((*meanwhile->result)->batch_size, 270);
}

// --- Executors run what the loop may not

TEST(BatcherCaller, WhatIsNotKnownToBeShortGoesToAnExecutor) {
  CallerBench bench;
  bench.Learn(1, TurnBudget::kEnough - 1);
  const AnswerPtr last_unknown = bench.TurnWith({1});
  bench.Await(last_unknown);
  bench.AwaitIdle();
  EXPECT_EQ(bench.caller_runs(), 0u);
  EXPECT_TRUE(bench.TurnWith({1})->done());
  EXPECT_EQ(bench.caller_runs(), 1u);
}

TEST(BatcherCaller, ABatchLargerThanAnyKnownGoesToAnExecutor) {
  CallerBench bench;
  bench.Learn(1);
  const AnswerPtr answer = bench.TurnWith({1, 2, 3});
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6));
  EXPECT_EQ(bench.caller_runs(), 0u);
  EXPECT_EQ(bench.wakeups(), 1u);
}

TEST(BatcherCaller, LongRunsGoToAnExecutorAtOnce) {
  CallerBench bench(AdaptiveOptions(8), Inline(300us));
  bench.Learn(1);
  AnswerPtr answer;
  bench.Turn([&] {
    answer = bench.Submit({1});
    EXPECT_EQ(bench.wakeups(), 1u);
  });
  bench.Await(answer);
  EXPECT_EQ(bench.caller_runs(), 0u);
}

struct NotOnLoops {
  std::string name;
  BatcherOptions options;
  bool completes_inline = true;
  friend std::ostream& operator<<(std::ostream& out, const NotOnLoops& c) { return out << c.name; }
};
std::vector<NotOnLoops> AllNotOnLoops() {
  std::vector<NotOnLoops> all = {{"executor: threads", AdaptiveOptions(8)},
                                 {"two threads to an instance", AdaptiveOptions(8)},
                                 {"a model that may complete later", AdaptiveOptions(8), false}};
  all[0].options.executor = ExecutorKind::kThreads;
  all[1].options.threads_per_instance = 2;
  return all;
}

class BatcherNotOnLoops : public testing::TestWithParam<NotOnLoops> {};
INSTANTIATE_TEST_SUITE_P(All, BatcherNotOnLoops, testing::ValuesIn(AllNotOnLoops()));

TEST_P(BatcherNotOnLoops, RunsOnExecutors) {
  model::FakeModelOptions model = Inline();
  model.completes_inline = GetParam().completes_inline;
  CallerBench bench(GetParam().options, model);
  bench.Learn(1);
  bench.Await(bench.TurnWith({1}));
  EXPECT_EQ(bench.caller_runs(), 0u);
  EXPECT_EQ(bench.wakeups(), 1u);
}

TEST(BatcherCaller, ExecutorsAreNamedByTheirOptions) {
  EXPECT_EQ(ParseExecutorKind("auto").value(), ExecutorKind::kAuto);
  EXPECT_EQ(ParseExecutorKind("threads").value(), ExecutorKind::kThreads);
  EXPECT_THAT(ParseExecutorKind("Threads").error().message, HasSubstr("auto or threads"));
}

TEST(BatcherCaller, ASubmitterElsewhereWakesAnExecutor) {
  CallerBench bench;
  bench.Learn(1);
  bench.Await(bench.Submit({1}));
  EXPECT_EQ(bench.caller_runs(), 0u);
}

TEST(BatcherCaller, WithoutAFreeInstanceItsRowsWaitForOne) {
  CallerBench bench;
  bench.Learn(1);
  const AnswerPtr held = bench.Occupy();
  const AnswerPtr answer = bench.TurnWith({1});
  EXPECT_FALSE(answer->done());
  bench.fake().Release();
  bench.Await({held, answer});
  EXPECT_EQ(bench.caller_runs(), 0u);
}

TEST(BatcherCaller, WithoutAFreeSlotAnExecutorWaitsForOne) {
  CallerBench bench;
  bench.Learn(1);
  bench.device.Close();
  const AnswerPtr answer = bench.TurnWith({1});
  EXPECT_FALSE(answer->done());
  EXPECT_EQ(bench.wakeups(), 1u);
  bench.device.AwaitWaiting(1);
  bench.device.Open();
  bench.Await(answer);
  EXPECT_EQ(bench.caller_runs(), 0u);
}

TEST(BatcherCaller, AWindowIsNotRunEarly) {
  CallerBench bench(WindowOptions(4, 10ms));
  bench.Learn(4);
  const AnswerPtr waits = bench.TurnWith({1, 2, 3});
  EXPECT_FALSE(waits->done());
  EXPECT_EQ(bench.wakeups(), 0u);
  const AnswerPtr fills = bench.TurnWith({4});
  EXPECT_TRUE(waits->done() && fills->done());
  EXPECT_EQ(bench.caller_runs(), 1u);
  const AnswerPtr late = bench.TurnWith({5});
  EXPECT_FALSE(late->done());
  bench.clock.AwaitDeadline(bench.clock.Now() + 10ms);
  bench.clock.Advance(10ms);
  bench.Await(late);
  EXPECT_EQ(bench.caller_runs(), 1u);
}

// --- The turn's budget

TEST(BatcherCaller, WhatDoesNotFitIntoTheRestOfTheTurnGoesToAnExecutor) {
  CallerBench bench(OneRequestARun(), Inline(120us));
  bench.Learn(1);
  AnswerPtr first, second;
  bench.Turn([&] {
    first = bench.Submit({1});
    second = bench.Submit({2});
  });
  EXPECT_TRUE(first->done());
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(bench.wakeups(), 1u);
  bench.Await(second);
  bench.AwaitIdle();
  EXPECT_TRUE(bench.TurnWith({3})->done()) << "the next turn has a budget of its own";
}

TEST(BatcherCaller, TheBudgetIsOneForAllModelsOfTheLoop) {
  CallerBench bench(AdaptiveOptions(8), Inline(120us));
  bench.Learn(1);
  model::FakeModelOptions options = Inline(120us);
  options.clock = &bench.clock;
  model::FakeModel model(options);
  const auto batcher =
      Batcher::Create(model, {Bench::Rows({0.5f})}, AdaptiveOptions(8), bench.device, bench.clock)
          .value();
  const auto submit = [&] {
    WorkItem item = bench.Item({1});
    auto answer = std::make_shared<Answer>();
    item.home = &bench.loop;
    item.done = [answer](base::Result<WorkResult> result) { answer->result = std::move(result); };
    batcher->Submit(std::move(item));
    return answer;
  };
  bench.clock.AwaitWaiters(4);
  for (int i = 0; i < TurnBudget::kEnough; ++i) bench.Await(submit());
  bench.clock.AwaitWaiters(4);
  AnswerPtr first, second;
  bench.Turn([&] {
    first = bench.Submit({1});
    second = submit();
  });
  EXPECT_TRUE(first->done());
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(batcher->Snapshot().caller_runs, 0u);
  bench.Await(second);
}

TEST(BatcherCaller, AfterARunThatIsMuchTooLongExecutorsTakeOver) {
  bool slow = false;
  model::FakeModelOptions options = Inline();
  options.latency = [&](std::int64_t) { return slow ? 2ms : 2us; };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(1, 200);
  slow = true;
  EXPECT_TRUE(bench.TurnWith({1})->done());
  slow = false;
  EXPECT_EQ(bench.caller_runs(), 1u);
  bench.Await(bench.TurnWith({1}));
  bench.AwaitIdle();
  EXPECT_EQ(bench.caller_runs(), 1u);
  bench.clock.Advance(TurnBudget::kFirstBan);
  EXPECT_TRUE(bench.TurnWith({1})->done());
  EXPECT_EQ(bench.caller_runs(), 2u);
}

TEST(BatcherCaller, ARunThatWasOnlyKeptFromRunningIsNotTooLong) {
  CallerBench* preempted = nullptr;
  model::FakeModelOptions options = Inline();
  options.fault = [&](std::span<const float>, std::int64_t) {
    if (preempted != nullptr) std::exchange(preempted, nullptr)->clock.Preempt(20ms);
    return base::Status();
  };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(1);
  preempted = &bench;
  EXPECT_TRUE(bench.TurnWith({1})->done());
  EXPECT_TRUE(bench.TurnWith({1})->done());
  EXPECT_EQ(bench.caller_runs(), 2u);
}

// --- Others' rows

struct TwoLoops : testing::Test {
  /// A turn of the other loop, in which `theirs` is called, and inside it a whole turn of ours.
  void Turns(const std::function<void()>& theirs, const std::function<void()>& ours) {
    other.Post([&] {
      theirs();
      bench.Turn(ours);
      in_between();
    });
    other.RunTurn();
  }

  CallerBench bench{OneRequestARun()};
  base::FakeLoop other{bench.clock};
  std::function<void()> in_between = [] {};
};

TEST_F(TwoLoops, AnotherLoopsAnswersArePostedToIt) {
  CallerBench shared;
  base::FakeLoop there(shared.clock);
  shared.Learn(2);
  AnswerPtr theirs, ours;
  there.Post([&] {
    theirs = shared.SubmitFrom(there, {1});
    shared.Turn([&] { ours = shared.Submit({2}); });
    EXPECT_TRUE(ours->done());
    EXPECT_FALSE(theirs->done());
  });
  there.RunTurn();
  EXPECT_FALSE(theirs->done());
  there.RunTurn();
  ASSERT_TRUE(theirs->done());
  EXPECT_EQ((*theirs->result)->batch_size, 2);
  EXPECT_EQ(shared.caller_runs(), 1u) << "the other loop's turn end found nothing left";
}

TEST_F(TwoLoops, ALoopRunsOneBatchWithoutRowsOfItsOwnAndHandsTheRestOn) {
  bench.Learn(1);
  std::vector<AnswerPtr> theirs;
  AnswerPtr ours;
  in_between = [&] { EXPECT_EQ(bench.caller_runs(), 1u); };
  Turns(
      [&] {
        for (int i = 0; i < 3; ++i) theirs.push_back(bench.SubmitFrom(other, {1}));
      },
      [&] { ours = bench.Submit({2}); });
  EXPECT_GE(bench.wakeups(), 1u);
  bench.Await(ours);
  for (const AnswerPtr& answer : theirs) {
    while (!answer->done()) other.AwaitAndRun();
  }
}

TEST_F(TwoLoops, WhatIsPushedDuringTheRunIsNotForgotten) {
  CallerBench* busy = nullptr;
  base::FakeLoop* there = nullptr;
  AnswerPtr pushed;
  model::FakeModelOptions options = Inline();
  options.fault = [&](std::span<const float>, std::int64_t) {
    if (busy == nullptr) return base::Status();
    CallerBench& b = *std::exchange(busy, nullptr);
    std::jthread([&] { pushed = b.SubmitFrom(*there, {3}); }).join();
    EXPECT_EQ(b.batcher->Snapshot().waiting_rows, 1);
    return base::Status();
  };
  CallerBench pushing(AdaptiveOptions(8), options);
  pushing.Learn(1);
  there = &other;
  busy = &pushing;
  EXPECT_TRUE(pushing.TurnWith({1})->done());
  EXPECT_EQ(pushing.caller_runs(), 2u);
  EXPECT_EQ(pushing.wakeups(), 0u);
  other.RunTurn();
  EXPECT_TRUE(pushed->done());
}

TEST_F(TwoLoops, RowsFromElsewhereDoNotWaitForTheTurnsEnd) {
  bench.Learn(1);
  AnswerPtr ours, theirs;
  bench.Turn([&] {
    ours = bench.Submit({1});
    std::jthread([&] { theirs = bench.SubmitFrom(other, {2}); }).join();
    while (!theirs->done()) other.AwaitAndRun();
  });
  bench.Await(ours);
  EXPECT_EQ(ours->times, 1);
}

// --- Failures

model::FakeModelOptions FailingOn(float bad) {
  model::FakeModelOptions options = Inline();
  options.fault = [bad](std::span<const float> x, std::int64_t) {
    return std::ranges::find(x, bad) == x.end() ? base::Status()
                                                : base::InvalidArgument("a bad row");
  };
  return options;
}

TEST(BatcherCaller, AFailedRunIsLeftToAnExecutor) {
  CallerBench bench(AdaptiveOptions(8), FailingOn(-1));
  bench.Learn(4);
  AnswerPtr good, bad;
  bench.Turn([&] {
    good = bench.Submit({1, 2, 3});
    bad = bench.Submit({-1});
  });
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(bench.wakeups(), 1u);
  bench.Await({good, bad});
  EXPECT_THAT(good->values(), ElementsAre(2, 4, 6));
  ASSERT_EQ((*bad->result)->errors.size(), 1u);
  EXPECT_EQ((*bad->result)->errors[0].error.Reason(), "INPUT_REJECTED_BY_MODEL");
  bench.device.AwaitIdle();
  EXPECT_EQ(bench.NewRunSizes().front(), 4) << "and is not run again as a whole";
  EXPECT_EQ(std::ranges::count(bench.NewRunSizes(), 4), 1);
  bench.AwaitIdle();
  EXPECT_TRUE(bench.TurnWith({1})->done()) << "the instance is free again";
}

TEST(BatcherCaller, ABackendThatFailsOnALoopFailsItsRequests) {
  model::FakeModelOptions options = Inline();
  options.fault = [](std::span<const float> x, std::int64_t) {
    return x[0] == -2 ? base::Status(base::Unavailable("the device is gone")) : base::Status();
  };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(1);
  const AnswerPtr answer = bench.TurnWith({-2});
  bench.Await(answer);
  EXPECT_EQ((*answer->result)->errors.at(0).error.code, base::Code::kUnavailable);
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(bench.batcher->Snapshot().failed_runs, 1u);
}

TEST(BatcherCaller, ARunThatIsNotOverWhenItShouldBeIsLeftToAnExecutor) {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::atomic<bool> hold{false};
  const auto make = [&] {
    return std::make_unique<FunctionModel>(
        model::FakeModel().spec(),
        [&](std::span<const tensor::Tensor> in) -> base::Result<FunctionModel::Tensors> {
          if (hold) gone.wait();
          return FunctionModel::Tensors{in[0]};
        },
        FunctionModel::Completes::kLaterThoughItSaysInline);
  };
  Bench bench(AdaptiveOptions(8), make);
  for (int i = 0; i < TurnBudget::kEnough; ++i) bench.Await(bench.Submit({1}));
  bench.AwaitIdle();
  hold = true;
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 2; ++i) {
    bench.loop.Post([&] { answers.push_back(bench.Submit({1})); });
    bench.loop.RunTurn();  // returns
  }
  go.set_value();
  bench.Await(answers);
  EXPECT_EQ(bench.batcher->Snapshot().caller_runs, 1u) << "not a second time";
}

// --- Ends

TEST(BatcherCaller, DrainingRunsWhatWasWaitingForTheTurnsEnd) {
  CallerBench bench;
  bench.Learn(1);
  AnswerPtr answer;
  bench.Turn([&] {
    answer = bench.Submit({1});
    bench.batcher->Drain();
  });
  bench.Await(answer);
  EXPECT_TRUE(answer->result->has_value());
  EXPECT_EQ(answer->times, 1);
  EXPECT_EQ(bench.caller_runs(), 0u);
}

TEST(BatcherCaller, ABatcherMayGoBeforeTheTurnEnds) {
  CallerBench bench;
  bench.Learn(1);
  AnswerPtr answer;
  bench.Turn([&] {
    answer = bench.Submit({1});
    bench.batcher.reset();
  });
  bench.loop.RunUntilIdle();
  EXPECT_EQ(answer->times, 1);
}

TEST(BatcherCaller, AnAnswerMayDrainTheBatcher) {
  CallerBench bench;
  bench.Learn(1);
  bool drained = false;
  bench.Turn([&] {
    WorkItem item = bench.Item({1});
    item.home = &bench.loop;
    item.done = [&](base::Result<WorkResult>) {
      bench.batcher.reset();
      drained = true;
    };
    bench.batcher->Submit(std::move(item));
  });
  EXPECT_TRUE(drained);
}

TEST(BatcherCaller, DrainingWaitsForARunOnALoop) {
  base::FakeClock clock;
  base::FakeLoop elsewhere(clock);
  CallerBench* draining = nullptr;
  std::jthread drainer;
  model::FakeModelOptions options = Inline();
  options.fault = [&](std::span<const float>, std::int64_t) {
    if (draining == nullptr) return base::Status();
    CallerBench& bench = *std::exchange(draining, nullptr);
    drainer = std::jthread([&bench] { bench.batcher->Drain(); });
    // It has begun once it refuses what comes.
    while (bench.batcher->Snapshot().requests_refused == 0) {
      bench.SubmitFrom(elsewhere, {1});
      std::this_thread::yield();
    }
    EXPECT_EQ(bench.batcher->Snapshot().running, 1);
    return base::Status();
  };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(1);
  draining = &bench;
  EXPECT_TRUE(bench.TurnWith({1})->done());
  drainer.join();
  EXPECT_EQ(bench.caller_runs(), 1u);
  EXPECT_EQ(bench.batcher->Snapshot().running, 0);
  EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 0);
}

TEST(BatcherCaller, CancellingDuringTheRunDropsTheResultOnly) {
  base::CancelSource cancel;
  bool armed = false;
  model::FakeModelOptions options = Inline();
  options.fault = [&](std::span<const float>, std::int64_t) {
    if (armed) cancel.request_stop();
    return base::Status();
  };
  CallerBench bench(AdaptiveOptions(8), options);
  bench.Learn(2);
  armed = true;
  AnswerPtr cancelled, kept;
  bench.Turn([&] {
    WorkItem item = bench.Item({1});
    item.cancelled = cancel.get_token();
    cancelled = bench.Submit(std::move(item));
    kept = bench.Submit({2});
  });
  EXPECT_THAT(kept->values(), ElementsAre(4));
  bench.loop.RunUntilIdle();
  ASSERT_EQ(cancelled->times, 1);
  EXPECT_THAT(cancelled->error(), HasSubstr("CANCELLED"));
  EXPECT_EQ(bench.batcher->Snapshot().requests_cancelled, 1u);
  EXPECT_THAT(bench.NewRunSizes(), ElementsAre(2));
}

TEST(BatcherCaller, WhatIsCancelledBeforeTheTurnEndsIsNotRun) {
  CallerBench bench;
  bench.Learn(1);
  base::CancelSource cancel;
  AnswerPtr answer;
  bench.Turn([&] {
    WorkItem item = bench.Item({1});
    item.cancelled = cancel.get_token();
    answer = bench.Submit(std::move(item));
    cancel.request_stop();
  });
  bench.loop.RunUntilIdle();
  EXPECT_EQ(answer->times, 1);
  EXPECT_EQ(bench.caller_runs(), 0u);
  EXPECT_EQ(bench.device.held(), 0);
}

TEST(BatcherCaller, WhatExpiresBeforeTheTurnEndsIsNotRun) {
  CallerBench bench;
  bench.Learn(1);
  AnswerPtr answer;
  bench.Turn([&] {
    // The timekeeper wakes an executor for a new deadline; it must find the instance's row expired.
    bench.device.Close();
    WorkItem item = bench.Item({1});
    item.deadline = bench.clock.Now() + 1ms;
    answer = bench.Submit(std::move(item));
    bench.clock.Advance(1ms);
  });
  bench.device.Open();
  bench.Await(answer);
  EXPECT_THAT(answer->error(), HasSubstr("EXPIRED"));
  EXPECT_EQ(answer->times, 1);
  EXPECT_TRUE(bench.NewRunSizes().empty());
}

/// Leaves the ends of its turns undone.
class StoppedLoop : public base::FakeLoop {
 public:
  using FakeLoop::FakeLoop;
  bool IsCurrent() const override { return true; }
};

TEST(BatcherCaller, ALoopThatGoesBeforeItsTurnEndsIsForgotten) {
  CallerBench bench;
  bench.Learn(1);
  std::optional<StoppedLoop> loop(bench.clock);
  base::CancelSource cancel;
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  bench.SubmitFrom(*loop, std::move(item));
  cancel.request_stop();
  loop.reset();
  loop.emplace(bench.clock);  // where the old one was
  const AnswerPtr answer = bench.SubmitFrom(*loop, {1});
  loop->RunTurn();
  EXPECT_TRUE(answer->done());
}

}  // namespace
}  // namespace muster::batching
