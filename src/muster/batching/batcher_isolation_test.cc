#include <algorithm>
#include <bit>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "muster/batching/batcher.h"
#include "muster/batching/internal/batcher_test_support.h"

// Rule 8: who is to blame when a run fails.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr float kBad = -999;

base::Status RefuseMarkedRows(std::span<const float> x, std::int64_t) {
  if (std::find(x.begin(), x.end(), kBad) == x.end()) return {};
  return base::InvalidArgument("-999 is not a value");
}

/// A batcher whose model refuses runs with a row of -999. A first run, of one row, is held while a
/// test submits what is to run together, and then let go.
class IsolationBench : public Bench {
 public:
  explicit IsolationBench(model::FakeModelOptions model = {.fault = RefuseMarkedRows},
                          BatcherOptions options = AdaptiveOptions(64))
      : Bench(options, std::move(model)) {
    held_ = Occupy();
  }

  AnswerPtr SubmitWhole(const std::vector<float>& values) {
    WorkItem item = Item(values);
    item.isolation = Isolation::kRequest;
    return Submit(std::move(item));
  }
  using Bench::Submit;

  void RunTogether(const std::vector<AnswerPtr>& answers) {
    fake().Release();
    Await(held_);
    Await(answers);
  }

  /// Lets the first run go and holds the batch that follows inside the model.
  void AwaitBatch() {
    fake().ReleaseRuns(1);
    Await(held_);
    fake().AwaitRunning(1);
  }

  /// Sizes of the runs after the held one.
  std::vector<std::int64_t> Sizes() {
    std::vector<std::int64_t> sizes = RunSizes();
    sizes.erase(sizes.begin());
    return sizes;
  }

 private:
  AnswerPtr held_;
};

void ExpectRejected(const base::Error& error) {
  EXPECT_EQ(error.code, base::Code::kInvalidArgument);
  EXPECT_EQ(error.Reason(), "INPUT_REJECTED_BY_MODEL");
  EXPECT_EQ(error.message, "-999 is not a value");
}

TEST(BatcherIsolation, OnlyTheBadRequestFails) {
  IsolationBench bench;
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 8; ++i)
    answers.push_back(bench.Submit({i == 5 ? kBad : static_cast<float>(i)}));
  bench.RunTogether(answers);
  for (int i = 0; i < 8; ++i) {
    const WorkResult& result = **answers[static_cast<std::size_t>(i)]->result;
    if (i == 5) {
      ASSERT_THAT(result.errors, SizeIs(1));
      ExpectRejected(result.errors[0].error);
    } else {
      EXPECT_THAT(answers[static_cast<std::size_t>(i)]->values(),
                  ElementsAre(2.0f * static_cast<float>(i)));
    }
  }
  EXPECT_EQ(bench.batcher->Snapshot().rows_failed, 1u);
}

TEST(BatcherIsolation, OnlyTheBadRowOfARequestFails) {
  IsolationBench bench;
  const AnswerPtr answer = bench.Submit({1, 2, kBad, 4, 5});
  bench.RunTogether({answer});
  const WorkResult& result = **answer->result;
  ASSERT_THAT(result.errors, SizeIs(1));
  EXPECT_EQ(result.errors[0].row, 2);
  ExpectRejected(result.errors[0].error);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 8, 10));
  std::int64_t next = 0;
  for (const WorkPart& part : result.parts) {
    EXPECT_GE(part.first_row, next);
    next = part.first_row + part.rows;
  }
}

TEST(BatcherIsolation, OneBadRequestOf32TakesAtMostTenExtraRunsAndHarmsNone) {
  for (const int bad : {0, 13, 31}) {
    IsolationBench bench;
    std::vector<AnswerPtr> answers;
    for (int i = 0; i < 32; ++i) {
      answers.push_back(bench.Submit({i == bad ? kBad : static_cast<float>(i)}));
    }
    bench.RunTogether(answers);
    const BatcherSnapshot snapshot = bench.batcher->Snapshot();
    EXPECT_EQ(snapshot.batch_rows.max, 32u) << "all of them were in one run";
    EXPECT_EQ(snapshot.rows_failed, 1u);
    EXPECT_EQ(snapshot.rows_succeeded, 32u) << "31 and the held row";
    EXPECT_LE(snapshot.launches[static_cast<std::size_t>(LaunchReason::kIsolate)], 10u);
    ASSERT_THAT((*answers[static_cast<std::size_t>(bad)]->result)->errors, SizeIs(1));
  }
}

TEST(BatcherIsolation, ARowOfNotANumberLeavesItsNeighboursBitsAlone) {
  const auto bits_of = [](float neighbour) {
    IsolationBench bench({.function = [](float x) { return std::sqrt(x); }});
    const AnswerPtr row = bench.Submit({3.0f}), other = bench.Submit({neighbour});
    bench.RunTogether({row, other});
    EXPECT_THAT(bench.Sizes(), ElementsAre(2));
    EXPECT_EQ(std::isnan(other->values()[0]), neighbour < 0);
    EXPECT_THAT((*other->result)->errors, IsEmpty()) << "not a number is an answer like any other";
    return std::bit_cast<std::uint32_t>(row->values()[0]);
  };
  EXPECT_EQ(bits_of(-1.0f), bits_of(4.0f));
}

TEST(BatcherIsolation, AWholeRequestFailsWithItsBadRow) {
  IsolationBench bench;
  const AnswerPtr bad = bench.SubmitWhole({1, kBad, 3}), good = bench.SubmitWhole({4, 5});
  bench.RunTogether({bad, good});
  EXPECT_THAT(good->values(), ElementsAre(8, 10));
  const WorkResult& result = **bad->result;
  EXPECT_THAT(result.parts, IsEmpty());
  ASSERT_THAT(result.errors, SizeIs(3));
  for (const RowError& error : result.errors) ExpectRejected(error.error);
  // 5 rows together; the two requests apart; the probe. Never single rows of them.
  EXPECT_THAT(bench.Sizes(), ElementsAre(5, 3, 1, 2));
}

TEST(BatcherIsolation, AWholeRequestSplitOverBatchesFailsInAllItsParts) {
  IsolationBench bench({.fault = RefuseMarkedRows}, AdaptiveOptions(2));
  const AnswerPtr bad = bench.SubmitWhole({1, 2, kBad, 4, 5, 6, 7, 8});
  bench.RunTogether({bad});
  const WorkResult& result = **bad->result;
  EXPECT_THAT(result.parts, IsEmpty());
  EXPECT_THAT(result.errors, SizeIs(8));
  bench.batcher->Drain();
  EXPECT_THAT(bench.Sizes(), ElementsAre(2, 2, 1)) << "rows of a failed request are not run";
}

TEST(BatcherIsolation, ARowThatFailsAloneIsTheBackendsFaultWhenTheProbeFailsToo) {
  IsolationBench bench({.fault = [](auto, auto) { return base::InvalidArgument("out of order"); }});
  const AnswerPtr answer = bench.Submit({1});
  bench.RunTogether({answer});
  ASSERT_THAT((*answer->result)->errors, SizeIs(1));
  const base::Error& error = (*answer->result)->errors[0].error;
  EXPECT_EQ(error.code, base::Code::kInternal);
  EXPECT_EQ(error.Reason(), "BACKEND_ERROR");
}

TEST(BatcherIsolation, ABrokenBackendEndsTheSearchAtItsFirstFailedProbe) {
  IsolationBench bench({.fault = [](auto, auto) { return base::InvalidArgument("out of order"); }});
  const AnswerPtr answer = bench.Submit(std::vector<float>(64, 1.0f));
  bench.RunTogether({answer});
  EXPECT_THAT((*answer->result)->errors, SizeIs(64));
  for (const RowError& error : (*answer->result)->errors) {
    EXPECT_EQ(error.error.Reason(), "BACKEND_ERROR");
  }
  // The probe of the first run, which fails too; the search for one bad row; the probe.
  EXPECT_THAT(bench.Sizes(), ElementsAre(1, 64, 32, 16, 8, 4, 2, 1, 1));
}

TEST(BatcherIsolation, WithoutAProbeARowIsToBlameIfAnyRunHasSucceeded) {
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", tensor::DType::kFp32, {{}, {1, ""}}}};
  Bench bench(AdaptiveOptions(8), [&] {
    return std::make_unique<FunctionModel>(
        spec,
        [](std::span<const tensor::Tensor> inputs) -> base::Result<std::vector<tensor::Tensor>> {
          MUSTER_RETURN_IF_ERROR(RefuseMarkedRows(inputs[0].data<const float>(), 0));
          return std::vector<tensor::Tensor>{inputs[0]};
        });
  });
  const AnswerPtr first = bench.Submit({kBad});
  bench.Await(first);
  EXPECT_EQ((*first->result)->errors[0].error.Reason(), "BACKEND_ERROR");
  bench.Await(bench.Submit({1}));
  const AnswerPtr second = bench.Submit({kBad});
  bench.Await(second);
  EXPECT_EQ((*second->result)->errors[0].error.Reason(), "INPUT_REJECTED_BY_MODEL");
}

TEST(BatcherIsolation, ProbesOnceForABatchHoweverManyRowsAreBad) {
  IsolationBench bench;
  const AnswerPtr answer = bench.Submit({kBad, 1, 2, kBad});
  bench.RunTogether({answer});
  EXPECT_THAT((*answer->result)->errors, SizeIs(2));
  int probes = 0;
  for (const auto& run : bench.fake().runs()) probes += run.x == std::vector<float>{0.5f} ? 1 : 0;
  EXPECT_EQ(probes, 1);
}

TEST(BatcherIsolation, JudgesEveryRowByItselfWhenManyAreBad) {
  IsolationBench bench;
  std::vector<float> rows(64, kBad);
  rows[62] = 1;
  const AnswerPtr answer = bench.Submit(rows);
  bench.RunTogether({answer});
  const BatcherSnapshot snapshot = bench.batcher->Snapshot();
  EXPECT_LE(snapshot.launches[static_cast<std::size_t>(LaunchReason::kIsolate)], 2u * 6 * 2 + 64);
  ASSERT_THAT((*answer->result)->errors, SizeIs(63));
  for (const RowError& error : (*answer->result)->errors) ExpectRejected(error.error);
  ASSERT_THAT((*answer->result)->parts, SizeIs(1));
  EXPECT_EQ((*answer->result)->parts[0].first_row, 62);
}

TEST(BatcherIsolation, OtherFailuresAreTheWholeBatchsAtOnce) {
  struct Case {
    base::Error error;
    base::Code code;
    std::string_view reason;
  };
  const std::vector<Case> cases = {
      {base::ResourceExhausted("out of memory"), base::Code::kResourceExhausted,
       "RESOURCE_EXHAUSTED"},
      {base::Unavailable("device lost"), base::Code::kUnavailable, "UNAVAILABLE"},
      {base::DeadlineExceeded("too slow"), base::Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"},
      {base::Internal("bug"), base::Code::kInternal, "BACKEND_ERROR"},
      {base::Cancelled("why"), base::Code::kInternal, "BACKEND_ERROR"},
  };
  for (const Case& c : cases) {
    IsolationBench bench({.fault = [&](auto, auto rows) {
      return rows > 1 ? base::Status(c.error) : base::Status();
    }});
    const std::vector<AnswerPtr> answers = {bench.Submit({1}), bench.SubmitWhole({2, 3})};
    bench.RunTogether(answers);
    for (const AnswerPtr& answer : answers) {
      EXPECT_THAT((*answer->result)->parts, IsEmpty());
      for (const RowError& error : (*answer->result)->errors) {
        EXPECT_EQ(error.error.code, c.code);
        EXPECT_EQ(error.error.Reason(), c.reason);
      }
    }
    EXPECT_THAT(bench.Sizes(), ElementsAre(3)) << "not run again";
    EXPECT_EQ(bench.batcher->Snapshot().failed_runs, 1u) << "counted once, for the breaker";
  }
}

TEST(BatcherIsolation, AnAnswerWithTooFewRowsIsInvalid) {
  IsolationBench bench({.missing_rows = 1});
  const AnswerPtr answer = bench.Submit({1, 2});
  bench.RunTogether({answer});
  ASSERT_THAT((*answer->result)->errors, SizeIs(2));
  EXPECT_EQ((*answer->result)->errors[0].error.Reason(), "BACKEND_INVALID");
  EXPECT_THAT((*answer->result)->errors[0].error.message, HasSubstr("output \"y\""));
}

/// What a batcher with this model, all of whose runs are made on the executor's thread, reports of
/// a lone row and of a batch of `rows` afterwards, once their answers are there.
std::vector<bool> Reports(model::FakeModelOptions model, const std::vector<float>& rows) {
  std::vector<bool> reports;
  BatcherOptions options = AdaptiveOptions(64);
  options.on_batch = [&](bool succeeded, base::TimePoint) { reports.push_back(succeeded); };
  IsolationBench bench(std::move(model), options);
  std::vector<AnswerPtr> answers;
  for (const float x : rows) answers.push_back(bench.Submit({x}));
  bench.RunTogether(answers);
  return reports;
}

TEST(BatcherIsolation, ReportsEveryBatchOnceBeforeItsAnswers) {
  EXPECT_THAT(Reports({}, {1, 2, 3}), ElementsAre(true, true));
  const auto lost = [](auto, auto rows) {
    return rows > 1 ? base::Status(base::Unavailable("device lost")) : base::Status();
  };
  EXPECT_THAT(Reports({.fault = lost}, {1, 2, 3}), ElementsAre(true, false));
  EXPECT_THAT(Reports({.missing_rows = 1}, {1, 2, 3}), ElementsAre(false, false));
  const auto broken = [](auto, auto) { return base::InvalidArgument("out of order"); };
  EXPECT_THAT(Reports({.fault = broken}, {1, 2, 3, 4, 5}), ElementsAre(false, false))
      << "one report, though the search takes many runs";
}

TEST(BatcherIsolation, ReportsNothingOfABatchThatFailedForItsData) {
  EXPECT_THAT(Reports({.fault = RefuseMarkedRows}, {1, kBad, 3}), ElementsAre(true));
  EXPECT_THAT(Reports({.fault = RefuseMarkedRows}, {kBad, kBad}), ElementsAre(true));
}

TEST(BatcherIsolation, NeverRunsARowAgainPastItsDeadline) {
  // A run takes 10 ms. The hasty request's deadline passes while the batch fails.
  IsolationBench bench({.latency = [](auto) { return 10ms; }, .fault = RefuseMarkedRows});
  const base::TimePoint start = bench.clock.Now() + 10ms;  // when the held run will be over
  WorkItem hasty = bench.Item({1});
  hasty.deadline = start + 5ms;
  const AnswerPtr late = bench.Submit(std::move(hasty));
  const AnswerPtr bad = bench.Submit({kBad}), good = bench.Submit({3});
  bench.RunTogether({late, bad, good});
  ASSERT_THAT((*late->result)->errors, SizeIs(1));
  EXPECT_EQ((*late->result)->errors[0].error.code, base::Code::kDeadlineExceeded);
  EXPECT_THAT(good->values(), ElementsAre(6));
  const auto runs = bench.fake().runs();
  for (std::size_t i = 2; i < runs.size(); ++i) {
    EXPECT_THAT(runs[i].x, ::testing::Not(::testing::Contains(1.0f)));
  }
}

TEST(BatcherIsolation, DoesNotRunCancelledRowsAgain) {
  IsolationBench bench;
  base::CancelSource cancel;
  WorkItem item = bench.Item({1, 2});
  item.cancelled = cancel.get_token();
  const AnswerPtr given_up = bench.Submit(std::move(item)), bad = bench.Submit({kBad});
  bench.AwaitBatch();
  cancel.request_stop();
  bench.RunTogether({given_up, bad});
  EXPECT_EQ(given_up->result->error().code, base::Code::kCancelled);
  ExpectRejected((*bad->result)->errors[0].error);
  EXPECT_THAT(bench.Sizes(), ElementsAre(3, 1, 1)) << "the batch, the bad row alone, the probe";
}

TEST(BatcherIsolation, APaddedRunIsSearchedToo) {
  IsolationBench bench({.fixed_batch = 4, .fault = RefuseMarkedRows});
  const AnswerPtr answer = bench.Submit({1, kBad, 3});
  bench.RunTogether({answer});
  EXPECT_THAT(answer->values(), ElementsAre(2, 6));
  ASSERT_THAT((*answer->result)->errors, SizeIs(1));
  ExpectRejected((*answer->result)->errors[0].error);
}

TEST(BatcherIsolation, RowsRunAgainAlonePadLikeAnyOthers) {
  BatcherOptions options = AdaptiveOptions(64);
  options.form.min_rows = 2;
  IsolationBench bench({.fault = RefuseMarkedRows}, options);
  const AnswerPtr good = bench.Submit({1}), bad = bench.Submit({kBad});
  bench.RunTogether({good, bad});
  EXPECT_THAT(good->values(), ElementsAre(2));
  ASSERT_THAT((*bad->result)->errors, SizeIs(1));
  ExpectRejected((*bad->result)->errors[0].error);
  for (const auto& run : bench.fake().runs()) {
    const bool is_probe = run.x == std::vector<float>{0.5f};
    EXPECT_GE(run.rows, is_probe ? 1 : 2);
  }
  EXPECT_EQ(bench.batcher->Snapshot().batch_rows.sum, 5u) << "the held row, both, each alone";
}

TEST(BatcherIsolation, AClientThatWasBadRunsAloneForAWhile) {
  IsolationBench bench;
  const auto submit = [&](const std::string& client, float value) {
    WorkItem item = bench.Item({value});
    item.client = client;
    return bench.Submit(std::move(item));
  };
  bench.RunTogether({submit("careless", kBad), submit("careful", 1)});
  bench.AwaitIdle();

  const AnswerPtr held = bench.Occupy();
  const std::size_t before = bench.RunSizes().size();
  bench.Await([&] {
    const std::vector<AnswerPtr> answers = {submit("careful", 2), submit("careless", 3),
                                            submit("", 4), submit("careless", kBad)};
    bench.fake().Release();
    return answers;
  }());
  const auto runs = bench.fake().runs();
  EXPECT_THAT(runs[before].x, ElementsAre(2, 4));
  EXPECT_THAT(runs[before + 1].x, ElementsAre(3, kBad));
}

TEST(BatcherIsolation, NeighboursAreAnsweredBeforeTheSearchIsOver) {
  IsolationBench bench;
  const AnswerPtr good = bench.Submit({1}), good2 = bench.Submit({2}), bad = bench.Submit({kBad}),
                  worse = bench.Submit({kBad});
  bench.fake().ReleaseRuns(3);  // the held run, the batch of 4, the first half
  bench.Await({good, good2});
  EXPECT_FALSE(bad->done());
  bench.RunTogether({bad, worse});
}

TEST(BatcherIsolation, HoldsItsSlotOnceForTheWholeSearch) {
  IsolationBench bench({.latency = [](auto) { return 1ms; }, .fault = RefuseMarkedRows});
  const AnswerPtr answer = bench.Submit({kBad, 1});
  bench.RunTogether({answer});
  bench.AwaitIdle();
  bench.device.AwaitIdle();
  // The held run; then the batch, the bad row, the probe and the good row.
  EXPECT_THAT(bench.device.charges(), ElementsAre(1ms, 4ms));
}

}  // namespace
}  // namespace muster::batching
