#include "muster/batching/batcher.h"

#include <algorithm>
#include <bit>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

#include "muster/batching/internal/batcher_test_support.h"

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using tensor::DType;
using tensor::Tensor;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

// --- Answers

TEST(Batcher, AnswersARequest) {
  Bench bench;
  const AnswerPtr answer = bench.Submit({1, 2, 3});
  EXPECT_FALSE(answer->done()) << "nothing may be called inline";
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6));
  EXPECT_EQ((*answer->result)->parts.size(), 1u);
  EXPECT_THAT((*answer->result)->errors, IsEmpty());
}

TEST(Batcher, PassesASingleRequestsRowsWithoutACopy) {
  Tensor seen;
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  Bench bench({}, [&] {
    return std::make_unique<FunctionModel>(spec, [&](std::span<const Tensor> inputs) {
      seen = inputs[0];
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{inputs[0]});
    });
  });
  WorkItem item = bench.Item({1, 2, 3});
  const std::byte* const bytes = item.inputs[0].bytes();
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  EXPECT_EQ(seen.bytes(), bytes);
  EXPECT_EQ((*answer->result)->parts[0].outputs[0].bytes(), bytes);
}

TEST(Batcher, AnswersAreViewsIntoOneOutputBuffer) {
  Bench bench;
  const AnswerPtr held = bench.Occupy();
  const std::vector<AnswerPtr> answers = {bench.Submit({1}), bench.Submit({2, 3})};
  bench.fake().Release();
  bench.Await(answers);
  const Tensor& first = (*answers[0]->result)->parts[0].outputs[0];
  const Tensor& second = (*answers[1]->result)->parts[0].outputs[0];
  EXPECT_EQ(second.bytes(), first.bytes() + sizeof(float));
  EXPECT_THAT(answers[1]->values(), ElementsAre(4, 6));
}

TEST(Batcher, NeverWritesIntoABatchBufferThatAnAnswerStillShows) {
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  // An identity that hands its input on as its output, as some runtimes do.
  Bench bench(WindowOptions(2, 1h), [&] {
    return std::make_unique<FunctionModel>(spec, [](std::span<const Tensor> inputs) {
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{inputs[0]});
    });
  });
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(bench.Submit({static_cast<float>(i)}));
  bench.Await(answers);
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(answers[static_cast<std::size_t>(i)]->values(), ElementsAre(i));
  }
}

TEST(Batcher, ReusesItsBatchBuffer) {
  std::vector<const std::byte*> buffers;
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  Bench bench(WindowOptions(2, 1h), [&] {
    return std::make_unique<FunctionModel>(spec, [&](std::span<const Tensor> inputs) {
      buffers.push_back(inputs[0].bytes());
      Tensor out = Tensor::Allocate(DType::kFp32, inputs[0].shape());
      tensor::GatherRows(inputs.subspan(0, 1), out);
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{out});
    });
  });
  for (int i = 0; i < 3; ++i) bench.Await({bench.Submit({1}), bench.Submit({2})});
  ASSERT_THAT(buffers, SizeIs(3));
  EXPECT_THAT(buffers, Each(buffers[0]));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffers[0]) % 64, 0u);
}

TEST(Batcher, PadsForAModelThatTakesAFixedNumberOfRows) {
  Bench bench(AdaptiveOptions(64), {.fixed_batch = 4});
  EXPECT_EQ(bench.batcher->Snapshot().max_batch_size, 4);
  const AnswerPtr answer = bench.Submit({1, 2, 3, 4, 5, 6});
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6, 8, 10, 12));
  const auto runs = bench.fake().runs();
  ASSERT_THAT(runs, SizeIs(2));
  EXPECT_THAT(runs[1].x, ElementsAre(5, 6, 5, 5)) << "padding is a row the model has accepted";
  EXPECT_EQ((*answer->result)->parts[1].outputs[0].rows(), 2);
  EXPECT_EQ(bench.batcher->Snapshot().batch_rows.max, 4u);
  EXPECT_EQ(bench.batcher->Snapshot().batch_rows.sum, 6u) << "padding is not counted";
}

// x [2, 3] and k []: no axis of rows in common.
model::ModelSpec SpecWithoutRows() {
  model::ModelSpec spec;
  spec.inputs = {{"x", DType::kFp32, {{2, ""}, {3, ""}}}, {"k", DType::kFp32, {}}};
  spec.outputs = {{"sum", DType::kFp32, {}}, {"y", DType::kFp32, {{2, ""}, {3, ""}}}};
  return spec;
}

TEST(Batcher, RunsWholeTensorsOneByOneForAModelWithoutRows) {
  Bench bench(AdaptiveOptions(64), [&] {
    return std::make_unique<FunctionModel>(SpecWithoutRows(), [](std::span<const Tensor> inputs) {
      EXPECT_EQ(inputs[0].shape(), (tensor::Shape{2, 3}));
      EXPECT_EQ(inputs[1].shape().rank(), 0);
      const auto x = inputs[0].data<const float>();
      const float sum = std::accumulate(x.begin(), x.end(), inputs[1].data<const float>()[0]);
      return base::Result<std::vector<Tensor>>(
          std::vector<Tensor>{Tensor::Of<float>(tensor::Shape{}, {sum}), inputs[0]});
    });
  });
  WorkItem item;
  item.rows = 2;
  item.inputs = {Tensor::Of<float>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}),
                 Tensor::Of<float>({2}, {0.5f, 0.25f})};
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(21.5f, 210.25f));
  ASSERT_THAT((*answer->result)->parts, SizeIs(2));
  const WorkPart& second = (*answer->result)->parts[1];
  EXPECT_EQ(second.outputs[0].shape(), (tensor::Shape{1}));
  EXPECT_EQ(second.outputs[1].shape(), (tensor::Shape{1, 2, 3}));
}

TEST(Batcher, GathersStringsAsStrings) {
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"s", DType::kBytes, {{}, {1, ""}}}};
  Bench bench(WindowOptions(3, 1h), [&] {
    return std::make_unique<FunctionModel>(spec, [](std::span<const Tensor> inputs) {
      Tensor out = Tensor::Allocate(DType::kBytes, inputs[0].shape());
      for (std::int64_t i = 0; i < out.rows(); ++i) {
        out.strings()[i] = inputs[0].strings()[i] + "!";
      }
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{out});
    });
  });
  const auto submit = [&](std::vector<std::string> values) {
    WorkItem item;
    item.rows = static_cast<std::int64_t>(values.size());
    item.inputs = {Tensor::Of<std::string>({item.rows, 1}, values)};
    return bench.Submit(std::move(item));
  };
  const AnswerPtr a = submit({std::string(100, 'a')}), b = submit({"b", "c"});
  bench.Await({a, b});
  EXPECT_EQ((*a->result)->parts[0].outputs[0].strings()[0], std::string(100, 'a') + "!");
  EXPECT_EQ((*b->result)->parts[0].outputs[0].strings()[1], "c!");
}

TEST(Batcher, AnswersEveryShapeOfAMixture) {
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", DType::kFp32, {{}, {}}}};
  Bench bench(AdaptiveOptions(8), [&] {
    return std::make_unique<FunctionModel>(spec, [](std::span<const Tensor> inputs) {
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{inputs[0]});
    });
  });
  bench.device.Close();  // so that all wait together
  std::vector<AnswerPtr> answers;
  for (std::int64_t i = 0; i < 30; ++i) {
    const std::int64_t width = 1 + i % 5;
    WorkItem item;
    item.inputs = {Tensor::Of<float>(
        {1, width}, std::vector<float>(static_cast<std::size_t>(width), static_cast<float>(i)))};
    item.rows = 1;
    answers.push_back(bench.Submit(std::move(item)));
  }
  bench.device.Open();
  bench.Await(answers);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_THAT(answers[i]->values(), AllOf(SizeIs(1 + i % 5), Each(i)));
  }
  EXPECT_EQ(bench.batcher->Snapshot().runs, 5u);
}

TEST(Batcher, CarriesEveryBitPatternUnchangedBesideItsNeighbours) {
  const std::vector<std::uint32_t> bits = {0x7fc00001, 0xffc12345, 0x7f800000, 0xff800000,
                                           0x00000001, 0x807fffff, 0x80000000, 0x3f800000};
  Bench bench(WindowOptions(8, 1h), {.function = [](float v) { return v; }});
  std::vector<AnswerPtr> answers;
  for (const std::uint32_t b : bits) answers.push_back(bench.Submit({std::bit_cast<float>(b)}));
  bench.Await(answers);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(answers[i]->values()[0]), bits[i]);
  }
  EXPECT_THAT(bench.RunSizes(), ElementsAre(8));
}

TEST(Batcher, WaitsForAModelThatAnswersFromAnotherThread) {
  model::ModelSpec spec;
  spec.inputs = spec.outputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  Bench bench(AdaptiveOptions(8), [&] {
    return std::make_unique<FunctionModel>(
        spec,
        [](std::span<const Tensor> inputs) {
          return base::Result<std::vector<Tensor>>(std::vector<Tensor>{inputs[0]});
        },
        FunctionModel::Completes::kLater);
  });
  for (int i = 0; i < 20; ++i) {
    const AnswerPtr answer = bench.Submit({static_cast<float>(i)});
    bench.Await(answer);
    EXPECT_THAT(answer->values(), ElementsAre(i));
  }
}

TEST(Batcher, RefusesOptionsThatMakeNoSense) {
  base::FakeClock clock;
  FakeDevice device;
  model::FakeModel model;
  EXPECT_FALSE(Batcher::Create(model, {}, {.instances = 0}, device, clock));
  EXPECT_FALSE(Batcher::Create(model, {}, {.max_queue_rows = -1}, device, clock));
  EXPECT_FALSE(Batcher::Create(model, {}, {.policy = {.max_batch_size = 0}}, device, clock));
  EXPECT_FALSE(Batcher::Create(model, {}, {.form = {.min_rows = 0}}, device, clock));
  EXPECT_FALSE(Batcher::Create(
      model, {}, {.policy = {.max_batch_size = 4}, .form = {.min_rows = 5}}, device, clock));
}

// --- Rules 1 and 2: late binding, work-conserving

TEST(Batcher, LaunchesAtOnceWhenAnInstanceIsFree) {
  Bench bench(AdaptiveOptions(64));
  bench.Await(bench.Submit({1}));
  EXPECT_EQ((bench.RunSizes()), (std::vector<std::int64_t>{1})) << "no time has passed";
}

TEST(Batcher, BatchesGrowWhileAnInstanceIsBusy) {
  Bench bench(AdaptiveOptions(64));
  const AnswerPtr first = bench.Occupy();
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(bench.Submit({1.0f, 2.0f}));
  EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 10);
  bench.fake().Release();
  bench.Await(answers);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(1, 10));
}

TEST(Batcher, FormsABatchOnlyWhenItHasASlotOfTheDevice) {
  Bench bench(AdaptiveOptions(64));
  bench.device.Close();
  std::vector<AnswerPtr> answers = {bench.Submit({1})};
  bench.device.AwaitWaiting(1);
  for (int i = 0; i < 9; ++i) answers.push_back(bench.Submit({1}));
  EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 10);
  bench.device.Open();
  bench.Await(answers);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(10));
}

TEST(Batcher, GivesTheSlotBackUnchargedWhenTheWorkIsGone) {
  Bench bench(AdaptiveOptions(64));
  bench.device.Close();
  base::CancelSource cancel;
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.device.AwaitWaiting(1);
  cancel.request_stop();
  bench.device.Open();
  bench.Await(answer);
  bench.AwaitIdle();
  bench.device.AwaitIdle();
  EXPECT_THAT(bench.device.charges(), ElementsAre(0ns));
  EXPECT_THAT(bench.RunSizes(), IsEmpty());
}

TEST(Batcher, SixtyFourSinglesTakeAsFewRunsAsFitAndHaveTheSameValues) {
  for (const std::int64_t max : {1, 7, 16, 64}) {
    Bench bench(AdaptiveOptions(max));
    const AnswerPtr held = bench.Occupy();
    std::vector<AnswerPtr> answers;
    for (int i = 0; i < 64; ++i) answers.push_back(bench.Submit({static_cast<float>(i)}));
    bench.fake().Release();
    bench.Await(answers);
    EXPECT_EQ(bench.fake().run_count() - 1, (64 + max - 1) / max);
    for (int i = 0; i < 64; ++i) {
      EXPECT_THAT(answers[static_cast<std::size_t>(i)]->values(),
                  ElementsAre(2.0f * static_cast<float>(i)));
    }
  }
}

// The scenario of the dynamic batching requirement: fifty concurrent requests.
TEST(Batcher, FiftyConcurrentRequestsInAWindowOfSixteenTakeAtMostFiveRuns) {
  Bench bench(WindowOptions(16, 10ms));
  bench.fake().Hold();
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(bench.Submit({static_cast<float>(i)}));
  bench.fake().AwaitRunning(1);
  bench.fake().Release();
  bench.AwaitIdle();
  bench.clock.Advance(10ms);  // for the two that are left
  bench.Await(answers);
  EXPECT_THAT(bench.RunSizes(), AllOf(SizeIs(Le(5)), Each(Le(16))));
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(answers[static_cast<std::size_t>(i)]->values(),
                ElementsAre(2.0f * static_cast<float>(i)));
  }
}

TEST(Batcher, SplitsALargeRequestOverInstancesAndMergesTheAnswer) {
  Bench bench(AdaptiveOptions(4, 2));
  bench.fake().Hold();
  const AnswerPtr answer = bench.Submit({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  bench.fake().AwaitRunning(2);
  bench.fake().Release();
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18, 20));
  EXPECT_EQ((*answer->result)->batch_size, 4);
  EXPECT_THAT((*answer->result)->parts, SizeIs(3));
}

TEST(Batcher, RunsOneRequestARunUnderPolicyNone) {
  BatcherOptions options = AdaptiveOptions(8);
  options.policy.kind = PolicyKind::kNone;
  Bench bench(options);
  const AnswerPtr held = bench.Occupy();
  const std::vector<AnswerPtr> answers = {bench.Submit({1, 2, 3}), bench.Submit({4}),
                                          bench.Submit(std::vector<float>(10, 1.0f))};
  bench.fake().Release();
  bench.Await(answers);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(1, 3, 1, 8, 2));
}

// --- Wake-ups

TEST(Batcher, WakesOneExecutorForOneLaunch) {
  Bench bench(AdaptiveOptions(8, 8));
  for (int i = 0; i < 10; ++i) {
    bench.Await(bench.Submit({1}));
    bench.AwaitIdle();
  }
  EXPECT_EQ(bench.batcher->Snapshot().wakeups, 10u);
}

TEST(Batcher, WakesNoMoreExecutorsThanThereAreBatches) {
  Bench bench(AdaptiveOptions(4, 8));
  bench.fake().Hold();
  const AnswerPtr answer = bench.Submit(std::vector<float>(12, 1.0f));
  bench.fake().AwaitRunning(3);
  EXPECT_EQ(bench.batcher->Snapshot().wakeups, 3u);
  bench.fake().Release();
  bench.Await(answer);
}

TEST(Batcher, AWindowWakesNobodyBeforeItsEnd) {
  Bench bench(WindowOptions(8, 10ms, 4));
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(bench.Submit({1}));
  EXPECT_EQ(bench.batcher->Snapshot().wakeups, 0u);
  bench.AwaitIdle();
  bench.clock.Advance(10ms);
  bench.Await(answers);
  EXPECT_EQ(bench.batcher->Snapshot().wakeups, 1u);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(5));
}

// --- Deadlines and cancelling

TEST(Batcher, AnswersExpiredRequestsAtTheirDeadlineThoughAllInstancesAreBusy) {
  Bench bench;
  const AnswerPtr held = bench.Occupy();
  WorkItem item = bench.Item({1});
  item.deadline = bench.clock.Now() + 5ms;
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.clock.AwaitDeadline(bench.clock.Now() + 5ms);
  bench.clock.Advance(5ms);
  bench.Await(answer);
  EXPECT_THAT(answer->error(), HasSubstr("DEADLINE_EXCEEDED (EXPIRED)"));
  EXPECT_EQ(bench.batcher->Snapshot().requests_expired, 1u);
  EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 0);
  bench.fake().Release();
  bench.Await(held);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(1)) << "expired rows are never run";
}

TEST(Batcher, AnswersExpiredRequestsThoughTheDeviceIsHeldByOthers) {
  Bench bench;
  bench.device.Close();
  WorkItem item = bench.Item({1});
  item.deadline = bench.clock.Now() + 5ms;
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.device.AwaitWaiting(1);
  bench.clock.AwaitDeadline(bench.clock.Now() + 5ms);
  bench.clock.Advance(5ms);
  bench.Await(answer);
  EXPECT_EQ(answer->result->error().code, base::Code::kDeadlineExceeded);
  bench.device.Open();
}

TEST(Batcher, AnEarlierDeadlineIsNotMissedForALaterOne) {
  Bench bench;
  const AnswerPtr held = bench.Occupy();
  std::vector<AnswerPtr> answers;
  for (const auto in : {50ms, 20ms, 30ms, 10ms}) {
    WorkItem item = bench.Item({1});
    item.deadline = bench.clock.Now() + in;
    answers.push_back(bench.Submit(std::move(item)));
  }
  bench.clock.AwaitDeadline(bench.clock.Now() + 10ms);
  bench.clock.Advance(10ms);
  bench.Await(answers[3]);
  EXPECT_FALSE(answers[1]->done());
  bench.clock.AwaitDeadline(bench.clock.Now() + 10ms);
  bench.clock.Advance(40ms);
  bench.Await(answers);
  bench.fake().Release();
}

TEST(Batcher, RefusesARequestThatHasExpiredOnArrival) {
  Bench bench;
  WorkItem item = bench.Item({1});
  item.deadline = bench.clock.Now();
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  EXPECT_EQ(answer->result->error().Reason(), "EXPIRED");
  EXPECT_EQ(bench.batcher->Snapshot().requests_expired, 1u);
  EXPECT_THAT(bench.RunSizes(), IsEmpty());
}

TEST(Batcher, RemovesACancelledRequestFromTheQueueAtOnce) {
  Bench bench;
  const AnswerPtr held = bench.Occupy();
  base::CancelSource cancel;
  WorkItem item = bench.Item({1, 2});
  item.cancelled = cancel.get_token();
  const AnswerPtr answer = bench.Submit(std::move(item));
  cancel.request_stop();
  EXPECT_EQ(bench.batcher->Snapshot().waiting_rows, 0);
  EXPECT_FALSE(answer->done()) << "posted, not called by whoever cancels";
  bench.Await(answer);
  EXPECT_EQ(answer->result->error().code, base::Code::kCancelled);
  bench.fake().Release();
  bench.Await(held);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(1));
}

TEST(Batcher, DropsTheResultOfARequestCancelledWhileItRuns) {
  Bench bench;
  const AnswerPtr held = bench.Occupy();
  base::CancelSource cancel;
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  const AnswerPtr cancelled = bench.Submit(std::move(item)), mate = bench.Submit({2});
  bench.fake().ReleaseRuns(1);
  bench.Await(held);
  bench.fake().AwaitRunning(1);
  cancel.request_stop();
  bench.Await(cancelled);
  EXPECT_EQ(cancelled->result->error().code, base::Code::kCancelled);
  EXPECT_FALSE(mate->done());
  bench.fake().Release();
  bench.Await(mate);
  EXPECT_THAT(mate->values(), ElementsAre(4));
  EXPECT_EQ(cancelled->times, 1);
  const BatcherSnapshot snapshot = bench.batcher->Snapshot();
  EXPECT_EQ(snapshot.requests_cancelled, 1u);
  EXPECT_EQ(snapshot.rows_succeeded, 2u);
}

TEST(Batcher, RefusesARequestThatIsCancelledAlready) {
  Bench bench;
  base::CancelSource cancel;
  cancel.request_stop();
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  EXPECT_EQ(answer->result->error().code, base::Code::kCancelled);
  EXPECT_THAT(bench.RunSizes(), IsEmpty());
}

TEST(Batcher, CancellingAfterTheAnswerDoesNothing) {
  Bench bench;
  base::CancelSource cancel;
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  cancel.request_stop();
  bench.loop.RunUntilIdle();
  EXPECT_TRUE(answer->result->has_value());
  EXPECT_EQ(answer->times, 1);
}

TEST(Batcher, CancellingAfterTheBatchersEndDoesNothing) {
  Bench bench;
  base::CancelSource cancel;
  bench.batcher->Drain();
  WorkItem item = bench.Item({1});
  item.cancelled = cancel.get_token();
  const AnswerPtr refused = bench.Submit(std::move(item));
  bench.batcher.reset();
  cancel.request_stop();  // before the refusal has been delivered
  bench.Await(refused);
  EXPECT_EQ(refused->result->error().Reason(), "DRAINING");
  EXPECT_EQ(refused->times, 1);
}

TEST(Batcher, AWholeConnectionsRequestsCanBeCancelledTogether) {
  Bench bench(AdaptiveOptions(4));
  const AnswerPtr held = bench.Occupy();
  base::CancelSource connection;
  std::vector<AnswerPtr> answers;
  for (int i = 0; i < 20; ++i) {
    WorkItem item = bench.Item({1});
    item.cancelled = connection.get_token();
    answers.push_back(bench.Submit(std::move(item)));
  }
  connection.request_stop();
  bench.Await(answers);
  EXPECT_EQ(bench.batcher->Snapshot().waiting_requests, 0);
  EXPECT_EQ(bench.batcher->Snapshot().requests_cancelled, 20u);
  bench.fake().Release();
}

// --- Backpressure

TEST(Batcher, RefusesWhatDoesNotFitIntoTheQueue) {
  BatcherOptions options = AdaptiveOptions(4);
  options.max_queue_rows = 0;
  Bench bench(options);
  EXPECT_EQ(bench.batcher->Snapshot().max_queue_rows, 8);
  const AnswerPtr held = bench.Occupy();
  const AnswerPtr fits = bench.Submit(std::vector<float>(8, 1.0f));
  const AnswerPtr refused = bench.Submit({1});
  bench.Await(refused);
  EXPECT_EQ(refused->result->error().Reason(), "QUEUE_FULL");
  EXPECT_THAT(refused->result->error().retry_after, Gt(0ms));
  EXPECT_EQ(bench.batcher->Snapshot().requests_refused, 1u);
  bench.fake().Release();
  bench.Await(fits);
}

// --- Shutdown

TEST(Batcher, DrainFinishesWhatWasAccepted) {
  Bench bench(AdaptiveOptions(2));
  const AnswerPtr held = bench.Occupy();
  std::vector<AnswerPtr> answers = {held};
  for (int i = 0; i < 7; ++i) answers.push_back(bench.Submit({1}));
  std::jthread drain([&] { bench.batcher->Drain(); });
  bench.fake().Release();
  drain.join();
  bench.loop.RunUntilIdle();
  for (const AnswerPtr& answer : answers) {
    ASSERT_TRUE(answer->done());
    EXPECT_TRUE(answer->result->has_value());
  }
  EXPECT_EQ(bench.device.held(), 0);
}

TEST(Batcher, DrainDoesNotWaitForWindows) {
  Bench bench(WindowOptions(8, 1h));
  const AnswerPtr answer = bench.Submit({1});
  bench.batcher->Drain();
  bench.loop.RunUntilIdle();
  ASSERT_TRUE(answer->done());
  EXPECT_THAT(answer->values(), ElementsAre(2));
  EXPECT_EQ(bench.batcher->Snapshot().launches[static_cast<std::size_t>(LaunchReason::kDrain)], 1u);
}

TEST(Batcher, RefusesNewWorkAfterDrain) {
  Bench bench;
  bench.batcher->Drain();
  bench.batcher->Drain();
  const AnswerPtr answer = bench.Submit({1});
  bench.Await(answer);
  EXPECT_EQ(answer->result->error().code, base::Code::kUnavailable);
  EXPECT_THAT(answer->result->error().retry_after, Gt(0ms));
}

TEST(Batcher, DestructionDrains) {
  Bench bench(WindowOptions(8, 1h));
  const AnswerPtr answer = bench.Submit({1});
  bench.batcher.reset();
  bench.loop.RunUntilIdle();
  ASSERT_TRUE(answer->done());
  EXPECT_TRUE(answer->result->has_value());
}

TEST(Batcher, RequestsMayExpireAndBeCancelledWhileDraining) {
  Bench bench(AdaptiveOptions(1));
  const AnswerPtr held = bench.Occupy();
  base::CancelSource cancel;
  WorkItem expires = bench.Item({1}), given_up = bench.Item({2});
  expires.deadline = bench.clock.Now() + 5ms;
  given_up.cancelled = cancel.get_token();
  const AnswerPtr a = bench.Submit(std::move(expires)), b = bench.Submit(std::move(given_up));
  std::jthread drain([&] { bench.batcher->Drain(); });
  bench.clock.AwaitDeadline(bench.clock.Now() + 5ms);
  bench.clock.Advance(5ms);
  cancel.request_stop();
  bench.Await({a, b});
  bench.fake().Release();
  drain.join();
  EXPECT_EQ(a->result->error().code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(b->result->error().code, base::Code::kCancelled);
  EXPECT_THAT(bench.RunSizes(), ElementsAre(1));
}

// --- Figures

TEST(Batcher, ChargesTheDeviceForTheTimeItWasUsed) {
  Bench bench({}, {.latency = [](std::int64_t rows) { return rows * 1ms; }});
  bench.Await(bench.Submit({1, 2, 3}));
  bench.device.AwaitIdle();
  EXPECT_THAT(bench.device.charges(), ElementsAre(3ms));
}

TEST(Batcher, CountsWhatItDoes) {
  Bench bench(AdaptiveOptions(8), {.latency = [](std::int64_t) { return 2ms; }});
  const AnswerPtr held = bench.Occupy();
  bench.clock.Advance(1ms);
  const AnswerPtr answer = bench.Submit({1, 2});
  bench.clock.Advance(3ms);
  BatcherSnapshot snapshot = bench.batcher->Snapshot();
  EXPECT_EQ(snapshot.running, 1);
  EXPECT_EQ(snapshot.running_rows, 1);
  EXPECT_EQ(snapshot.waiting_requests, 1);
  EXPECT_EQ(snapshot.oldest_wait, 3ms);
  bench.fake().Release();
  bench.Await({held, answer});
  snapshot = bench.batcher->Snapshot();
  EXPECT_EQ(snapshot.running, 0);
  EXPECT_EQ(snapshot.running_rows, 0);
  EXPECT_EQ(snapshot.requests, 2u);
  EXPECT_EQ(snapshot.requests_answered, 2u);
  EXPECT_EQ(snapshot.rows, 3u);
  EXPECT_EQ(snapshot.rows_succeeded, 3u);
  EXPECT_EQ(snapshot.runs, 2u);
  EXPECT_EQ(snapshot.failed_runs, 0u);
  EXPECT_EQ(snapshot.launches[static_cast<std::size_t>(LaunchReason::kInstanceFree)], 2u);
  EXPECT_EQ(snapshot.batch_rows.count, 2u);
  EXPECT_EQ(snapshot.run_time.count, 2u);
  EXPECT_EQ(snapshot.queue_wait.count, 2u);
  EXPECT_EQ(snapshot.oldest_wait, 0ms);
}

}  // namespace
}  // namespace muster::batching
