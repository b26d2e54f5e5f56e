#include "muster/engine/local_engine.h"

#include <gtest/gtest.h>
#include <optional>

#include "muster/base/fake_loop.h"
#include "muster/model/fake_loader.h"

namespace muster::engine {
namespace {

using base::Code;
using tensor::Tensor;

class LocalEngineTest : public testing::Test {
 protected:
  LocalEngineTest() {
    loader_.Put("doubling", {});
    loader_.Put("mixing", {.mixes_rows = true});
    loader_.Put("lone row differs",
                {.last_bits = [](auto rows, auto) { return rows == 1 ? 1 : 0; }});
    loader_.Put("sizes differ",
                {.last_bits = [](auto rows, auto) { return static_cast<std::int32_t>(rows); }});
    loader_.Put("size 33 differs",
                {.last_bits = [](auto rows, auto) { return rows == 33 ? 1 : 0; }});
    engine_ = *LocalEngine::Create({.cores = 1, .default_model = ""}, loader_, clock_);
  }
  ~LocalEngineTest() override {
    engine_->Drain();
    loop_.RunUntilIdle();
  }

  base::Status Load(const std::string& name, const std::string& path,
                    registry::ModelConfig config = {}) {
    return engine_->Load({name, {{"1", path}}, std::move(config), {}});
  }
  PredictRequest Request(std::vector<float> x) {
    PredictRequest request;
    request.model = *engine_->Resolve("", "");
    request.rows = static_cast<std::int64_t>(x.size());
    request.inputs = {Tensor::Of<float>({request.rows, 1}, x)};
    return request;
  }
  base::Result<PredictResponse> Predict(PredictRequest request) {
    std::optional<base::Result<PredictResponse>> answer;
    engine_->Predict(std::move(request), &loop_,
                     [&](base::Result<PredictResponse> r) { answer = std::move(r); });
    EXPECT_FALSE(answer.has_value()) << "a completion must never run inline";
    while (!answer) loop_.AwaitAndRun();
    return *std::move(answer);
  }
  ModelStatus Status() { return engine_->Models().at(0); }

  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  model::FakeLoader loader_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(LocalEngineTest, AnswersOnTheCallersLoop) {
  ASSERT_TRUE(Load("m", "doubling"));
  auto answer = Predict(Request({1, 2, 3}));
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->work.parts.size(), 1u);
  const auto y = answer->work.parts[0].outputs[0].data<const float>();
  EXPECT_EQ(std::vector<float>(y.begin(), y.end()), (std::vector<float>{2, 4, 6}));
}

TEST_F(LocalEngineTest, CallsOnlyTheFirstPredictionAColdStart) {
  ASSERT_TRUE(Load("m", "doubling"));
  EXPECT_TRUE(Predict(Request({1}))->cold_start);
  EXPECT_FALSE(Predict(Request({1}))->cold_start);
}

TEST_F(LocalEngineTest, RefusesInputsTheModelDoesNotTake) {
  ASSERT_TRUE(Load("m", "doubling"));
  PredictRequest none = Request({1});
  none.inputs.clear();
  EXPECT_EQ(Predict(std::move(none)).error().code, Code::kInvalidArgument);
  PredictRequest wide = Request({1, 2});
  wide.inputs = {Tensor::Of<float>({2, 2}, {1, 2, 3, 4})};
  EXPECT_EQ(Predict(std::move(wide)).error().code, Code::kInvalidArgument);
  PredictRequest short_rows = Request({1, 2});
  short_rows.rows = 3;
  EXPECT_EQ(Predict(std::move(short_rows)).error().Reason(), "SHAPE");
  EXPECT_EQ(Status().error_count, 3u);
}

TEST_F(LocalEngineTest, RefusesSequencesUntilAModelKeepsThem) {
  ASSERT_TRUE(Load("m", "doubling"));
  PredictRequest request = Request({1});
  request.sequence_id = "s";
  EXPECT_EQ(Predict(std::move(request)).error().code, Code::kUnimplemented);
}

TEST_F(LocalEngineTest, NeverBatchesAModelWhoseRowsMix) {
  ASSERT_TRUE(Load("m", "mixing"));
  const ModelStatus status = Status();
  EXPECT_FALSE(status.batchable);
  EXPECT_NE(status.batchable_reason.find("\"y\""), std::string::npos) << status.batchable_reason;
  EXPECT_EQ(status.batcher.max_batch_size, 1);
}

TEST_F(LocalEngineTest, LetsTheConfigurationOverrideTheProof) {
  registry::ModelConfig config;
  config.batchable = true;
  ASSERT_TRUE(Load("m", "mixing", config));
  EXPECT_EQ(Status().batcher.max_batch_size, 64);
}

registry::ModelConfig Invariant() {
  registry::ModelConfig config;
  config.batch_invariant = true;
  return config;
}

TEST_F(LocalEngineTest, ReportsWhichSizesOfRunsGiveTheSameBits) {
  using batching::BatchInvariance;
  const std::vector<std::pair<std::string, BatchInvariance>> found = {
      {"doubling", BatchInvariance::kAll},
      {"lone row differs", BatchInvariance::kAtLeastTwo},
      {"sizes differ", BatchInvariance::kNone},
      {"size 33 differs", BatchInvariance::kAll},  // among those tried without being asked
      {"mixing", BatchInvariance::kOneRowRuns},
  };
  for (const auto& [path, invariance] : found) {
    ASSERT_TRUE(Load("m", path));
    EXPECT_EQ(Status().invariance, invariance) << path;
    EXPECT_FALSE(Status().invariance_enforced);
  }
}

TEST_F(LocalEngineTest, PadsALoneRowWhereThatKeepsItsBits) {
  ASSERT_TRUE(Load("m", "lone row differs", Invariant()));
  EXPECT_TRUE(Status().invariance_enforced);
  EXPECT_EQ(Status().compared_rows, 64);
  auto answer = Predict(Request({1}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->work.parts[0].outputs[0].data<const float>()[0], 2.0f);
  EXPECT_EQ(loader_.last().runs().back().rows, 2);
  EXPECT_EQ(Status().batcher.batch_rows.sum, 1u);
}

TEST_F(LocalEngineTest, PadsNothingUnlessAsked) {
  ASSERT_TRUE(Load("m", "lone row differs"));
  ASSERT_TRUE(Predict(Request({1})));
  EXPECT_EQ(loader_.last().runs().back().rows, 1);
}

TEST_F(LocalEngineTest, RefusesToLoadAModelWhoseBitsItCannotKeepAndServesTheOthers) {
  ASSERT_TRUE(Load("b", "doubling"));
  for (const std::string path : {"sizes differ", "size 33 differs"}) {
    const base::Status status = Load("a", path, Invariant());
    ASSERT_FALSE(status) << path;
    EXPECT_EQ(status.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(Status().state, registry::VersionState::kFailed);
    EXPECT_NE(Status().reason.find("output \"y\" of a row has other bits"), std::string::npos)
        << Status().reason;
  }
  EXPECT_EQ(engine_->Resolve("a", "").error().code, Code::kUnavailable);
  EXPECT_TRUE(engine_->Resolve("b", ""));
}

TEST_F(LocalEngineTest, KeepsTheBitsOfAnyModelThatRunsRowByRow) {
  registry::ModelConfig single = Invariant();
  single.max_batch_size = 1;
  registry::ModelConfig unbatched = Invariant();
  unbatched.batchable = false;
  for (const auto& config : {single, unbatched}) {
    ASSERT_TRUE(Load("m", "sizes differ", config));
    EXPECT_EQ(Status().invariance, batching::BatchInvariance::kOneRowRuns);
    ASSERT_TRUE(Predict(Request({1})));
    EXPECT_EQ(loader_.last().runs().back().rows, 1);
  }
  EXPECT_TRUE(Load("m", "mixing", Invariant()));
}

TEST_F(LocalEngineTest, RefusesBitsThatCannotBeKeptBecauseRowsMustShareRuns) {
  registry::ModelConfig config = Invariant();
  config.batchable = true;
  ASSERT_FALSE(Load("m", "mixing", config));
  EXPECT_NE(Status().reason.find("`batch_invariant` cannot be kept"), std::string::npos);
}

TEST_F(LocalEngineTest, KeepsAFailedModelWithItsReasonAndServesTheOthers) {
  EXPECT_FALSE(Load("a", "absent"));
  ASSERT_TRUE(Load("b", "doubling"));
  engine_->SetReady();
  EXPECT_EQ(Status().state, registry::VersionState::kFailed);
  EXPECT_NE(Status().reason.find("no such file"), std::string::npos);
  const HealthReport health = engine_->Health();
  EXPECT_TRUE(health.ready);
  EXPECT_TRUE(health.degraded);
  EXPECT_EQ(engine_->Resolve("a", "").error().code, Code::kUnavailable);
  EXPECT_TRUE(engine_->Resolve("b", ""));
}

TEST_F(LocalEngineTest, NamesLabelsThatFitNoOutput) {
  registry::ModelConfig config;
  config.labels = {"only one"};
  const base::Status status = Load("m", "doubling", config);
  EXPECT_TRUE(status) << "a model without probabilities may carry any labels";
}

TEST_F(LocalEngineTest, IsReadyOnlyBetweenLoadingAndDraining) {
  EXPECT_FALSE(engine_->Health().ready);
  ASSERT_TRUE(Load("m", "doubling"));
  engine_->SetReady();
  EXPECT_TRUE(engine_->Health().ready);
  engine_->SetDraining();
  EXPECT_FALSE(engine_->Health().ready);
  EXPECT_TRUE(Predict(Request({1}))) << "still answered while the balancer learns of it";
}

TEST_F(LocalEngineTest, RefusesOnceDrained) {
  ASSERT_TRUE(Load("m", "doubling"));
  PredictRequest request = Request({1});
  engine_->Drain();
  EXPECT_EQ(Predict(std::move(request)).error().Reason(), "DRAINING");
}

TEST_F(LocalEngineTest, AppliesTheDefaultDeadlineToARequestThatNamesNone) {
  ASSERT_TRUE(Load("m", "doubling", [] {
    registry::ModelConfig config;
    config.instances = 1;
    return config;
  }()));
  loader_.last().Hold();
  std::optional<base::Result<PredictResponse>> first, second;
  engine_->Predict(Request({1}), &loop_, [&](auto r) { first = std::move(r); });
  loader_.last().AwaitRunning(1);
  engine_->Predict(Request({2}), &loop_, [&](auto r) { second = std::move(r); });
  clock_.Advance(std::chrono::seconds(31));
  while (!second) loop_.AwaitAndRun();
  EXPECT_EQ(second->error().code, Code::kDeadlineExceeded);
  loader_.last().Release();
  while (!first) loop_.AwaitAndRun();
}

TEST_F(LocalEngineTest, CapsADeadlineThatIsFarTooFar) {
  ASSERT_TRUE(Load("m", "doubling"));
  loader_.last().Hold();
  std::optional<base::Result<PredictResponse>> first, second;
  engine_->Predict(Request({1}), &loop_, [&](auto r) { first = std::move(r); });
  loader_.last().AwaitRunning(1);
  PredictRequest request = Request({2});
  request.timeout = std::chrono::hours(24 * 365);
  engine_->Predict(std::move(request), &loop_, [&](auto r) { second = std::move(r); });
  clock_.Advance(std::chrono::seconds(299));
  loop_.RunUntilIdle();
  EXPECT_FALSE(second) << "300 s are allowed";
  clock_.Advance(std::chrono::seconds(2));
  while (!second) loop_.AwaitAndRun();
  EXPECT_EQ(second->error().Reason(), "EXPIRED");
  EXPECT_EQ(Status().batcher.requests_expired, 1u);
  loader_.last().Release();
  while (!first) loop_.AwaitAndRun();
}

TEST_F(LocalEngineTest, CountsADeadlineFromWhereTheRequestSays) {
  ASSERT_TRUE(Load("m", "doubling"));
  const int before = loader_.last().run_count();
  for (const bool explicit_timeout : {true, false}) {
    PredictRequest request = Request({1});
    if (explicit_timeout) request.timeout = std::chrono::milliseconds(10);
    request.since = clock_.Now();
    clock_.Advance(std::chrono::seconds(31));  // more than the default as well
    const auto answer = Predict(std::move(request));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded);
  }
  EXPECT_EQ(loader_.last().run_count(), before);
}

TEST_F(LocalEngineTest, AnswersTooLateARunWithTheDeadlineAndNotWithItsResult) {
  ASSERT_TRUE(Load("m", "doubling"));
  loader_.last().Hold();
  PredictRequest request = Request({1});
  request.timeout = std::chrono::milliseconds(5);
  std::optional<base::Result<PredictResponse>> answer;
  engine_->Predict(std::move(request), &loop_, [&](auto r) { answer = std::move(r); });
  loader_.last().AwaitRunning(1);
  clock_.Advance(std::chrono::milliseconds(6));
  loader_.last().Release();
  while (!answer) loop_.AwaitAndRun();
  EXPECT_EQ(answer->error().code, Code::kDeadlineExceeded);
}

TEST_F(LocalEngineTest, ShowsItsFiguresAsMetrics) {
  ASSERT_TRUE(Load("m", "doubling"));
  ASSERT_TRUE(Predict(Request({1, 2})));
  telemetry::Exposition page;
  Collect(*engine_, page);
  const std::string text = page.Text();
  EXPECT_NE(text.find("muster_rows_total{model=\"m\",version=\"1\"} 2"), std::string::npos) << text;
  EXPECT_NE(text.find("muster_model_ready{model=\"m\",version=\"1\"} 1"), std::string::npos);
}

}  // namespace
}  // namespace muster::engine
