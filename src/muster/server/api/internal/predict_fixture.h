#pragma once

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "muster/base/fake_loop.h"
#include "muster/engine/local_engine.h"
#include "muster/model/fake_loader.h"
#include "muster/server/api/api.h"
#include "muster/server/http/fake_exchange.h"

namespace muster::server::api {

using http::FakeExchange;
using http::Method;
using nlohmann::json;
using std::chrono::milliseconds;

inline constexpr float kBad = -999;

/// Requests to the real routes and engine over a fake model called "example", which doubles, with a
/// fake clock that only its runs move.
class PredictFixture : public testing::Test {
 protected:
  PredictFixture() {
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
    engine_ = *engine::LocalEngine::Create({.cores = 4, .default_model = ""}, loader_, clock_);
    registry::ModelConfig config;
    config.instances = 1;
    example_ = &Load("example", config);
    context_ = std::make_unique<ApiContext>(ApiContext{.engine = *engine_,
                                                       .clock = clock_,
                                                       .options = {.version = "1.2.3"},
                                                       .started = clock_.Now(),
                                                       .http_stats = {}});
    routes_ = std::make_unique<http::RouteTable>(ApiRoutes(*context_));
  }
  ~PredictFixture() override {
    engine_->Drain();
    loop_.RunUntilIdle();
  }

  /// Serves one more fake as `name`; gives it, to hold and release its runs.
  model::FakeModel& Load(const std::string& name, const registry::ModelConfig& config) {
    EXPECT_TRUE(engine_->Load({name, {{"1", "fake"}}, config, {}}));
    return loader_.last();
  }
  std::shared_ptr<FakeExchange> Post(const std::string& path, const std::string& body,
                                     std::map<std::string, std::string, std::less<>> headers = {
                                         {"content-type", "application/json"}}) {
    auto [exchange, route] = Request(Method::kPost, path, body);
    exchange->headers = std::move(headers);
    route->handler(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> Get(const std::string& path) {
    auto [exchange, route] = Request(Method::kGet, path);
    route->handler(exchange);
    return exchange;
  }
  /// A request without headers, and the route it is for.
  std::pair<std::shared_ptr<FakeExchange>, const http::Route*> Request(
      Method method, const std::string& path, const std::string& body = "") {
    auto exchange = std::make_shared<FakeExchange>(loop_, method, path, body);
    auto match = routes_->Find(method, path);
    EXPECT_TRUE(match);
    for (std::size_t i = 0; i < match->parameter_count; ++i) {
      const auto& [name, value] = match->parameters[i];
      exchange->parameters.emplace(name, value);
    }
    return {exchange, match->route};
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
  model::FakeModel* example_ = nullptr;
  std::unique_ptr<ApiContext> context_;
  std::unique_ptr<http::RouteTable> routes_;
};

}  // namespace muster::server::api
