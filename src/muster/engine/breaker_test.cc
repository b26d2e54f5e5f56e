#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <optional>
#include <vector>

#include "muster/base/fake_loop.h"
#include "muster/engine/local_engine.h"
#include "muster/model/fake_loader.h"

// What the engine does about a model whose backend keeps failing.

namespace muster::engine {
namespace {

using base::Code;
using registry::BreakerState;
using tensor::Tensor;

constexpr float kRefused = -999;

class BreakerTest : public testing::Test {
 protected:
  BreakerTest() {
    loader_.Put("model", {.fault = [this](std::span<const float> x, std::int64_t) {
                  if (failing_) return base::Status(base::Internal("device lost"));
                  if (std::ranges::find(x, kRefused) == x.end()) return base::Status();
                  return base::Status(base::InvalidArgument("-999 is not a value"));
                }});
    engine_ = *LocalEngine::Create({.cores = 1, .default_model = ""}, loader_, clock_);
    EXPECT_TRUE(engine_->Load({"m", {{"1", "model"}}, {}, {}}));
    engine_->SetReady();
  }
  ~BreakerTest() override {
    engine_->Drain();
    loop_.RunUntilIdle();
  }

  using Answer = std::optional<base::Result<PredictResponse>>;
  PredictRequest Request(float x = 1) {
    PredictRequest request;
    request.model = *engine_->Resolve("m", "");
    request.rows = 1;
    request.inputs = {Tensor::Of<float>({1, 1}, {x})};
    return request;
  }
  void Submit(PredictRequest request, Answer& answer) {
    engine_->Predict(std::move(request), &loop_, [&](auto r) { answer = std::move(r); });
  }
  /// The reason of its error, of its row's error, or "" where it was answered.
  std::string Await(const Answer& answer) {
    while (!answer) loop_.AwaitAndRun();
    if (!*answer) return std::string(answer->error().Reason());
    const auto& errors = (*answer)->work.errors;
    return errors.empty() ? "" : std::string(errors[0].error.Reason());
  }
  std::string Predict(float x = 1) {
    Answer answer;
    Submit(Request(x), answer);
    return Await(answer);
  }
  /// As many requests as it takes to fail in a row.
  void Open() {
    failing_ = true;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(Predict(), "BACKEND_ERROR") << i;
    EXPECT_EQ(Breaker().state, BreakerState::kOpen);
  }
  void AwaitHalfOpen() { clock_.Advance(Breaker().retry_after); }
  registry::BreakerSnapshot Breaker() { return engine_->Models().at(0).breaker; }
  int runs() { return loader_.last().run_count(); }
  std::string Metrics() {
    telemetry::Exposition page;
    Collect(*engine_, page);
    return page.Text();
  }

  std::atomic<bool> failing_{false};
  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  model::FakeLoader loader_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(BreakerTest, AModelThatAlwaysFailsIsNotRunAnyMore) {
  Open();
  const int before = runs();
  Answer answer;
  Submit(Request(), answer);
  EXPECT_FALSE(answer) << "never inline";
  EXPECT_EQ(Await(answer), "BREAKER_OPEN");
  EXPECT_EQ(answer->error().code, Code::kUnavailable);
  EXPECT_EQ(answer->error().retry_after, Breaker().retry_after);
  EXPECT_EQ(runs(), before);
  EXPECT_EQ(engine_->Models().at(0).error_count, 6u);
}

TEST_F(BreakerTest, ServesAgainAfterFiveProbesOfARecoveredModel) {
  Open();
  failing_ = false;
  EXPECT_EQ(Predict(), "BREAKER_OPEN");
  AwaitHalfOpen();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Breaker().state, BreakerState::kHalfOpen);
    EXPECT_EQ(Predict(), "");
  }
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
}

TEST_F(BreakerTest, AModelThatStillFailsIsRunOnceAndLeftAloneForLonger) {
  Open();
  AwaitHalfOpen();
  const int before = runs();
  EXPECT_EQ(Predict(), "BACKEND_ERROR");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Predict(), "BREAKER_OPEN");
  EXPECT_EQ(runs(), before + 1);
  EXPECT_GE(Breaker().retry_after, std::chrono::seconds(8));
}

TEST_F(BreakerTest, OneFailedRunOfManyRequestsCountsOnce) {
  loader_.last().Hold();
  std::vector<Answer> answers(65);
  for (Answer& answer : answers) Submit(Request(), answer);
  loader_.last().AwaitRunning(1);
  failing_ = true;
  loader_.last().Release();
  for (const Answer& answer : answers) EXPECT_EQ(Await(answer), "BACKEND_ERROR");
  const auto failed_runs = engine_->Models().at(0).batcher.failed_runs;
  EXPECT_LT(failed_runs, 5u);
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
}

TEST_F(BreakerTest, RowsThatTheModelRefusesNeverOpenIt) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Predict(kRefused), "INPUT_REJECTED_BY_MODEL");
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
  EXPECT_EQ(Predict(), "");
}

TEST_F(BreakerTest, InputsThatAreNotTheModelsAreSaidToBeSoAndTakeNoProbe) {
  Open();
  for (const bool half_open : {false, true}) {
    if (half_open) AwaitHalfOpen();
    for (int i = 0; i < 10; ++i) {
      PredictRequest none = Request();
      none.inputs.clear();
      Answer answer;
      Submit(std::move(none), answer);
      EXPECT_EQ(Await(answer), "MISSING_INPUT");
    }
  }
  failing_ = false;
  EXPECT_EQ(Predict(), "");
}

TEST_F(BreakerTest, ExpiredCancelledAndRefusedProbesMakeRoomForOthers) {
  Open();
  failing_ = false;
  AwaitHalfOpen();
  for (int i = 0; i < 10; ++i) {
    base::CancelSource source;
    source.request_stop();
    PredictRequest cancelled = Request();
    cancelled.cancelled = source.get_token();
    PredictRequest expired = Request();
    expired.timeout = base::Duration(0);
    Answer first, second;
    Submit(std::move(cancelled), first);
    EXPECT_EQ(Await(first), "CANCELLED");
    Submit(std::move(expired), second);
    EXPECT_EQ(Await(second), "EXPIRED");
    EXPECT_EQ(Predict(kRefused), "INPUT_REJECTED_BY_MODEL");
  }
  EXPECT_EQ(Breaker().state, BreakerState::kHalfOpen);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Predict(), "");
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
}

TEST_F(BreakerTest, OtherModelsAreServedMeanwhile) {
  loader_.Put("other", {});
  ASSERT_TRUE(engine_->Load({"other", {{"1", "other"}}, {}, {}}));
  failing_ = true;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Predict(), "BACKEND_ERROR");
  }
  EXPECT_EQ(Predict(), "BREAKER_OPEN");
  PredictRequest request = Request();
  request.model = *engine_->Resolve("other", "");
  Answer answer;
  Submit(std::move(request), answer);
  EXPECT_EQ(Await(answer), "");
}

TEST_F(BreakerTest, HealthIsReadyAndDegradedUntilItIsClosed) {
  EXPECT_FALSE(engine_->Health().degraded);
  Open();
  const HealthReport open = engine_->Health();
  EXPECT_TRUE(open.ready);
  EXPECT_TRUE(open.degraded);
  ASSERT_EQ(open.problems.size(), 1u);
  EXPECT_EQ(open.problems[0],
            "model m version 1: it has failed too often and is not asked for now");
  failing_ = false;
  AwaitHalfOpen();
  EXPECT_TRUE(engine_->Health().degraded);
  for (int i = 0; i < 5; ++i) Predict();
  EXPECT_FALSE(engine_->Health().degraded);
}

TEST_F(BreakerTest, ShowsItsStateAsMetrics) {
  Open();
  Predict();
  const std::string text = Metrics();
  const std::string labels = "{model=\"m\",version=\"1\"} ";
  const std::string to_open = "{model=\"m\",version=\"1\",to=\"open\"} ";
  EXPECT_NE(text.find("muster_breaker_open" + labels + "1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("muster_breaker_refused_total" + labels + "1\n"), std::string::npos);
  EXPECT_NE(text.find("muster_breaker_transitions_total" + to_open + "1\n"), std::string::npos);
}

}  // namespace
}  // namespace muster::engine
