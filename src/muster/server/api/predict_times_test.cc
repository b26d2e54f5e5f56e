// Every time field of an answer, exactly, on a fake clock that only the fake model moves.

#include <gtest/gtest.h>
#include <memory>

#include <nlohmann/json.hpp>

#include "muster/base/fake_loop.h"
#include "muster/engine/local_engine.h"
#include "muster/model/fake_loader.h"
#include "muster/server/api/api.h"
#include "muster/server/http/fake_exchange.h"

namespace muster::server::api {
namespace {

using http::FakeExchange;
using http::Method;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr float kBad = -999;

class PredictTimes : public testing::Test {
 protected:
  PredictTimes() {
    model::FakeModelOptions fake;
    // 2 ms for a run, and 1 ms for each of its rows.
    fake.latency = [](std::int64_t rows) { return milliseconds(2 + rows); };
    fake.clock = &clock_;
    fake.fault = [](std::span<const float> x, std::int64_t) -> base::Status {
      for (const float v : x) {
        if (v == kBad) return base::InvalidArgument("a marked row");
      }
      return {};
    };
    loader_.Put("fake", fake);
    engine_ = *engine::LocalEngine::Create({.cores = 1, .default_model = ""}, loader_, clock_);
    registry::ModelConfig config;
    config.instances = 1;
    EXPECT_TRUE(engine_->Load({"example", {{"1", "fake"}}, config, {}}));
    context_ = std::make_unique<ApiContext>(ApiContext{.engine = *engine_,
                                                       .clock = clock_,
                                                       .options = {.version = "1.2.3"},
                                                       .started = clock_.Now(),
                                                       .http_stats = {}});
    routes_ = std::make_unique<http::RouteTable>(ApiRoutes(*context_));
  }
  ~PredictTimes() override {
    engine_->Drain();
    loop_.RunUntilIdle();
  }

  std::shared_ptr<FakeExchange> Post(const std::string& path, const std::string& body) {
    auto exchange = std::make_shared<FakeExchange>(loop_, Method::kPost, path, body);
    exchange->headers["content-type"] = "application/json";
    auto match = routes_->Find(Method::kPost, path);
    EXPECT_TRUE(match);
    match->route->handler(exchange);
    return exchange;
  }
  json Await(const std::shared_ptr<FakeExchange>& exchange) {
    while (!exchange->status) loop_.AwaitAndRun();
    EXPECT_EQ(exchange->status, 200) << (exchange->error ? exchange->error->message : "");
    return json::parse(exchange->out(), nullptr, false);
  }

  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  model::FakeLoader loader_;
  std::unique_ptr<engine::LocalEngine> engine_;
  std::unique_ptr<ApiContext> context_;
  std::unique_ptr<http::RouteTable> routes_;
};

void ExpectTimes(const json& times, double queue, double inference) {
  EXPECT_DOUBLE_EQ(times["preprocessing_ms"], 0);
  EXPECT_DOUBLE_EQ(times["queue_ms"], queue);
  EXPECT_DOUBLE_EQ(times["inference_ms"], inference);
  EXPECT_DOUBLE_EQ(times["postprocessing_ms"], 0);
}

TEST_F(PredictTimes, AreExactForABatchInARunOfItsOwn) {
  const json answer = Await(Post("/examples/batch", "{}"))["response"];
  EXPECT_EQ(answer["predictions"], json::parse("[[2.0],[4.0],[6.0],[8.0],[10.0]]"));
  EXPECT_DOUBLE_EQ(answer["inference_time_ms"], 7);  // 2 + 5
  ExpectTimes(answer["batch_info"]["processing_time"], 0, 7);
  EXPECT_EQ(answer["metadata"]["individual_inference_times"], json({1.4, 1.4, 1.4, 1.4, 1.4}));
}

TEST_F(PredictTimes, AreExactForRequestsThatShareARun) {
  loader_.last().Hold();
  auto first = Post("/predict/example", R"({"inputs": 1})");
  loader_.last().AwaitRunning(1);
  auto second = Post("/predict/example", R"({"inputs": 2})");
  auto third = Post("/predict/example/batch", R"({"inputs": [3, 4]})");
  clock_.Advance(milliseconds(10));  // the first run is held for as long
  loader_.last().ReleaseRuns(1);

  const json single = Await(first);
  EXPECT_DOUBLE_EQ(single["inference_time_ms"], 13);  // held 10, then 2 + 1
  ExpectTimes(single["metadata"]["processing_time"], 0, 13);

  loader_.last().ReleaseRuns(1);
  const json shared = Await(second);
  EXPECT_EQ(shared["metadata"]["batch_size"], 3);
  ExpectTimes(shared["metadata"]["processing_time"], 13, 5);  // 2 + 3 rows
  EXPECT_DOUBLE_EQ(shared["inference_time_ms"], 18);
  EXPECT_DOUBLE_EQ(shared["processing_time"], 0.018);

  const json batch = Await(third);
  ExpectTimes(batch["batch_info"]["processing_time"], 13, 5);
  const auto times = batch["metadata"]["individual_inference_times"];
  ASSERT_EQ(times.size(), 2u);
  EXPECT_NEAR(times[0], 5.0 / 3, 1e-6);
  EXPECT_NEAR(times[1], 5.0 / 3, 1e-6);
}

TEST_F(PredictTimes, AreExactWhenABatchIsBisected) {
  const json answer = Await(Post("/predict/example/batch", R"({"inputs": [1, 2, -999, 4]})"));
  EXPECT_EQ(answer["predictions"], json::parse("[[2.0],[4.0],null,[8.0]]"));
  EXPECT_EQ(answer["batch_info"]["failed_indices"], json({2}));
  EXPECT_EQ(answer["batch_info"]["failure_reasons"].size(), 1u);
  EXPECT_EQ(answer["warnings"].size(), 1u);
  // The whole 2+4 fails, the first half 2+2 succeeds, so the bad row is in the other: 2+1 and 2+1.
  // Between the request's runs the probe, 2+1, shows that the row is at fault and not the model.
  ExpectTimes(answer["batch_info"]["processing_time"], 3, 16);
  const auto times = answer["metadata"]["individual_inference_times"];
  EXPECT_EQ(times, json({1.5 + 2, 1.5 + 2, 1.5 + 3, 1.5 + 3}));
}

}  // namespace
}  // namespace muster::server::api
