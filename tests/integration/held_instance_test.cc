// Real models behind the routes, with their instances held so that what is queued is known exactly.

#include <cmath>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "muster/backends/onnx/onnx_loader.h"
#include "muster/base/fake_loop.h"
#include "muster/engine/local_engine.h"
#include "muster/model/holding_loader.h"
#include "muster/server/api/api.h"
#include "muster/server/http/fake_exchange.h"

namespace muster {
namespace {

using nlohmann::json;
using server::http::FakeExchange;
using server::http::Method;

const std::string kRoot = MUSTER_SOURCE_DIR;
const std::string kModel = "breast_cancer_mlp";

class HeldInstance : public testing::Test {
 protected:
  HeldInstance()
      : onnx_(*backends::onnx::OnnxLoader::Open(
            {kRoot + "/.deps/onnxruntime/lib/libonnxruntime.so"})),
        loader_(*onnx_),
        engine_(*engine::LocalEngine::Create({.cores = 1, .default_model = ""}, loader_,
                                             base::RealClock())),
        context_{.engine = *engine_,
                 .clock = base::RealClock(),
                 .options = {.version = "test"},
                 .started = base::RealClock().Now(),
                 .http_stats = {}},
        routes_(server::api::ApiRoutes(context_)) {}
  ~HeldInstance() override {
    loader_.Release();
    engine_->Drain();
    loop_.RunUntilIdle();
  }

  void Load(registry::ModelConfig config) {
    config.instances = 1;
    const std::string file = kRoot + "/examples/models/" + kModel + "/1/model.onnx";
    ASSERT_TRUE(engine_->Load({kModel, {{"1", file}}, config, {}}));
  }

  std::shared_ptr<FakeExchange> Call(Method method, const std::string& path,
                                     const std::string& body = "") {
    auto exchange = std::make_shared<FakeExchange>(loop_, method, path, body);
    exchange->parameters["model"] = kModel;
    auto match = routes_.Find(method, path);
    EXPECT_TRUE(match);
    match->route->handler(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> Predict(int row) {
    json x = json::array();
    for (int i = 0; i < 30; ++i) x.push_back(std::sin(row * 30 + i) * 10);
    return Call(Method::kPost, "/predict/" + kModel, json{{"inputs", x}}.dump());
  }
  json Await(const std::shared_ptr<FakeExchange>& exchange) {
    while (!exchange->status) loop_.AwaitAndRun();
    EXPECT_EQ(exchange->status, 200) << (exchange->error ? exchange->error->message : "");
    return json::parse(exchange->out());
  }
  std::uint64_t Runs() {
    return Await(Call(Method::kGet, "/models/" + kModel))["batching"]["runs"];
  }

  /// Holds the instance with one request, queues `n` more, and counts the runs they take.
  std::uint64_t RunsOfQueued(int n, std::vector<json>& answers) {
    loader_.Hold();
    auto first = Predict(-1);
    loader_.AwaitHeld(1);
    std::vector<std::shared_ptr<FakeExchange>> queued;
    for (int i = 0; i < n; ++i) queued.push_back(Predict(i));
    const json before = Await(Call(Method::kGet, "/models/" + kModel));
    EXPECT_EQ(before["batching"]["waiting_rows"], n);
    loader_.Release();
    Await(first);
    for (const auto& exchange : queued) answers.push_back(Await(exchange));
    return Runs() - 1;
  }

  base::FakeLoop loop_{base::RealClock()};
  std::unique_ptr<backends::onnx::OnnxLoader> onnx_;
  model::HoldingLoader loader_;
  std::unique_ptr<engine::LocalEngine> engine_;
  server::api::ApiContext context_;
  server::http::RouteTable routes_;
};

TEST_F(HeldInstance, AnswersSixtyFourQueuedRequestsInAsFewRunsAsTheirSizeAllows) {
  registry::ModelConfig config;
  config.max_batch_size = 24;
  config.max_queue_rows = 64;
  Load(config);
  std::vector<json> answers;
  EXPECT_EQ(RunsOfQueued(64, answers), 3u);  // ⌈64 / 24⌉
  const std::string metrics = server::api::MetricsText(context_);
  EXPECT_NE(metrics.find("muster_runs_total{model=\"breast_cancer_mlp\",version=\"1\"} 4"),
            std::string::npos);
  for (int i = 0; i < 64; ++i) {
    const json alone = Await(Predict(i));
    const json& together = answers[static_cast<std::size_t>(i)];
    EXPECT_EQ(alone["result"]["label"], together["result"]["label"]);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_NEAR(alone["result"]["probabilities"][k].get<double>(),
                  together["result"]["probabilities"][k].get<double>(), 1e-6);
    }
  }
}

TEST_F(HeldInstance, AnswersFiftyRequestsOfAWindowOfSixteenInFourRuns) {
  registry::ModelConfig config;
  config.policy = "window";
  config.max_batch_size = 16;
  config.max_wait_ms = 10;
  config.max_queue_rows = 64;
  Load(config);
  std::vector<json> answers;
  EXPECT_EQ(RunsOfQueued(50, answers), 4u);
}

}  // namespace
}  // namespace muster
