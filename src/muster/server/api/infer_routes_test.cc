#include <array>
#include <cstring>
#include <gmock/gmock.h>

#include "muster/server/api/internal/predict_fixture.h"

namespace muster::server::api {
namespace {

using Headers = std::map<std::string, std::string, std::less<>>;

constexpr const char* kJsonBytes = "Inference-Header-Content-Length";

class InferRoutes : public PredictFixture {
 protected:
  /// Rows of the input "x" in JSON; `more` are further fields of the body, each after a comma.
  std::shared_ptr<FakeExchange> Infer(const std::vector<float>& x, const std::string& more = "",
                                      Headers headers = {{"Content-Type", "application/json"}},
                                      const std::string& model = "example") {
    const auto rows = static_cast<std::int64_t>(x.size());
    const json input = {{"name", "x"}, {"datatype", "FP32"}, {"shape", {rows, 1}}, {"data", x}};
    return Post("/v2/models/" + model + "/infer",
                R"({"inputs":[)" + input.dump() + "]" + more + "}", std::move(headers));
  }
  /// The same in binary, behind `text`.
  std::shared_ptr<FakeExchange> InferBinary(std::string text, const std::vector<float>& x) {
    const std::string json_bytes = std::to_string(text.size());
    return Post("/v2/models/example/infer", std::move(text) + Bytes(x),
                {{"Content-Type", "application/octet-stream"}, {kJsonBytes, json_bytes}});
  }
  static std::string Bytes(const std::vector<float>& x) {
    std::string bytes(x.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), x.data(), bytes.size());
    return bytes;
  }
  void AwaitStatus(const std::shared_ptr<FakeExchange>& exchange, int status) {
    while (!exchange->status) loop_.AwaitAndRun();
    EXPECT_EQ(exchange->status, status) << (exchange->error ? exchange->error->message : "");
  }
  /// "REASON: text" of a request that must be refused.
  std::string Refusal(const std::shared_ptr<FakeExchange>& exchange) {
    while (!exchange->status) loop_.AwaitAndRun();
    if (!exchange->error) return "answered";
    return std::string(exchange->error->Reason()) + ": " + exchange->error->message;
  }
};

TEST_F(InferRoutes, AnswerInJson) {
  const auto exchange = Infer({1, 2, 3}, R"(,"id":"mine")");
  const json answer = Await(exchange);
  EXPECT_EQ(answer["model_name"], "example");
  EXPECT_EQ(answer["model_version"], "1");
  EXPECT_EQ(answer["id"], "mine");
  ASSERT_EQ(answer["outputs"].size(), 1u);
  const json& y = answer["outputs"][0];
  EXPECT_EQ(y["name"], "y");
  EXPECT_EQ(y["datatype"], "FP32");
  EXPECT_EQ(y["shape"], json({3, 1}));
  EXPECT_EQ(y["data"], json({2.0, 4.0, 6.0}));
  EXPECT_EQ(exchange->answer_headers.count(kJsonBytes), 0u);
}

TEST_F(InferRoutes, RunARequestsRowsTogether) {
  const int before = example_->run_count();
  Await(Infer({1, 2, 3, 4}));
  EXPECT_EQ(example_->run_count() - before, 1);
}

TEST_F(InferRoutes, TakeTensorsBehindTheJson) {
  const json answer = Await(InferBinary(
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[2,1],"parameters":{"binary_data_size":8}}]})",
      {5, 6}));
  EXPECT_EQ(answer["outputs"][0]["data"], json({10.0, 12.0}));
}

TEST_F(InferRoutes, AnswerWithTensorsBehindTheJson) {
  const auto exchange =
      Infer({1, 2, 3}, R"(,"outputs":[{"name":"y","parameters":{"binary_data":true}}])");
  AwaitStatus(exchange, 200);
  ASSERT_EQ(exchange->answer_headers.count(kJsonBytes), 1u);
  const std::size_t json_bytes = std::stoul(exchange->answer_headers[kJsonBytes]);
  ASSERT_EQ(exchange->out().size(), json_bytes + 12);
  const json answer = json::parse(exchange->out().substr(0, json_bytes));
  EXPECT_EQ(answer["outputs"][0]["shape"], json({3, 1}));
  EXPECT_EQ(answer["outputs"][0]["parameters"]["binary_data_size"], 12);
  EXPECT_FALSE(answer["outputs"][0].contains("data"));
  std::array<float, 3> values{};
  std::memcpy(values.data(), exchange->out().data() + json_bytes, 12);
  EXPECT_EQ(values, (std::array<float, 3>{2, 4, 6}));
}

TEST_F(InferRoutes, TakeABodyThatIsTheOnlyInput) {
  const auto exchange = InferBinary("", {7, 8});
  AwaitStatus(exchange, 200);
  EXPECT_EQ(example_->runs().back().x, (std::vector<float>{7, 8}));
}

TEST_F(InferRoutes, NeedNoMediaType) {
  EXPECT_EQ(Await(Infer({21}, "", {}))["outputs"][0]["data"], json({42.0}));
}

TEST_F(InferRoutes, RefuseALengthOfTheJsonThatIsNone) {
  for (const char* length : {"-1", "+1", "1x", "0x10", "99999999999999999999", "all", "1.5"}) {
    auto refused = Infer({1}, "", {{kJsonBytes, length}});
    EXPECT_THAT(Refusal(refused), testing::HasSubstr("BINARY: header Inference-Header")) << length;
    auto [exchange, route] = Request(Method::kPost, "/v2/models/example/infer");
    exchange->headers = {{kJsonBytes, length}};
    EXPECT_FALSE(route->admit(*exchange)) << "before the body is read: " << length;
  }
  EXPECT_THAT(Refusal(Infer({1}, "", {{kJsonBytes, "100000"}})), testing::HasSubstr("BINARY: "));
}

TEST_F(InferRoutes, RefuseWhatCannotBeServedBeforeTheBodyIsRead) {
  const auto admit = [&](const std::string& path, Headers headers) {
    auto [exchange, route] = Request(Method::kPost, path);
    exchange->headers = std::move(headers);
    const base::Status admitted = route->admit(*exchange);
    return admitted ? "admitted" : std::string(admitted.error().Reason());
  };
  EXPECT_EQ(admit("/v2/models/example/infer", {{"Content-Length", "1000000"}}), "admitted");
  EXPECT_EQ(admit("/v2/models/example/versions/1/infer", {}), "admitted");
  EXPECT_EQ(admit("/v2/models/nobody/infer", {}), "MODEL_NOT_FOUND");
  EXPECT_EQ(admit("/v2/models/example/versions/2/infer", {}), "VERSION_NOT_FOUND");
  EXPECT_EQ(admit("/v2/models/example/infer", {{"X-Request-Timeout-Ms", "soon"}}), "FIELD");
}

TEST_F(InferRoutes, FailAsAWholeForOneBadRow) {
  const auto exchange = Infer({1, kBad, 3});
  AwaitStatus(exchange, 422);
  EXPECT_EQ(exchange->error->Reason(), "INPUT_REJECTED_BY_MODEL");
  Await(Infer({1, 3}));
}

TEST_F(InferRoutes, ExpireByTheSoonerOfHeaderAndBody) {
  const std::string soon = R"(,"parameters":{"timeout":5000})";  // microseconds
  const std::string late = R"(,"parameters":{"timeout":60000000})";
  const auto header = [](const char* ms) {
    return Headers{{"Content-Type", "application/json"}, {"X-Request-Timeout-Ms", ms}};
  };
  example_->Hold();
  const auto running = Infer({1});
  example_->AwaitRunning(1);
  const auto by_body = Infer({2}, soon, header("60000"));
  const auto by_header = Infer({3}, late, header("5"));
  const auto in_time = Infer({4}, late, header("60000"));
  clock_.Advance(milliseconds(6));
  example_->Release();
  for (const auto& exchange : {by_body, by_header}) AwaitStatus(exchange, 504);
  for (const auto& exchange : {running, in_time}) AwaitStatus(exchange, 200);
}

TEST_F(InferRoutes, RunLowerNumbersOfPriorityFirst) {
  registry::ModelConfig config;
  config.instances = 1;
  config.max_batch_size = 1;
  model::FakeModel& model = Load("single", config);
  const Headers plain = {{"Content-Type", "application/json"}};
  model.Hold();
  const auto first = Infer({1}, "", plain, "single");
  model.AwaitRunning(1);
  const auto second = Infer({2}, R"(,"parameters":{"priority":2})", plain, "single");
  const auto third = Infer({3}, R"(,"parameters":{"priority":1})", plain, "single");
  model.Release();
  for (const auto& exchange : {first, second, third}) Await(exchange);
  const auto runs = model.runs();
  ASSERT_GE(runs.size(), 2u);
  EXPECT_EQ(runs[runs.size() - 2].x, std::vector<float>{3});
  EXPECT_EQ(runs[runs.size() - 1].x, std::vector<float>{2});
}

TEST_F(InferRoutes, AreCancelledWithTheirClient) {
  example_->Hold();
  const auto running = Infer({1});
  example_->AwaitRunning(1);
  const auto gone = Infer({2});
  gone->cancel.request_stop();
  example_->Release();
  Await(running);
  AwaitStatus(gone, 499);
}

TEST_F(InferRoutes, DescribeServerAndModel) {
  const json server = Await(Get("/v2"));
  EXPECT_EQ(server["name"], "muster");
  EXPECT_EQ(server["version"], "1.2.3");
  EXPECT_THAT(server["extensions"], testing::Contains("binary_tensor_data"));
  for (const char* path : {"/v2/models/example", "/v2/models/example/versions/1"}) {
    const json model = Await(Get(path));
    EXPECT_EQ(model["name"], "example");
    EXPECT_EQ(model["versions"], json({"1"}));
    EXPECT_EQ(model["inputs"], json::parse(R"([{"name":"x","datatype":"FP32","shape":[-1,1]}])"));
    EXPECT_EQ(model["outputs"], json::parse(R"([{"name":"y","datatype":"FP32","shape":[-1,1]}])"));
  }
  AwaitStatus(Get("/v2/models/nobody"), 404);
}

TEST_F(InferRoutes, SayWhetherServerAndModelsAreReady) {
  AwaitStatus(Get("/v2/health/live"), 200);
  AwaitStatus(Get("/v2/health/ready"), 503);
  engine_->SetReady();
  AwaitStatus(Get("/v2/health/ready"), 200);
  engine_->Announce({"later", {{"1", "fake"}}, {}, {}});
  AwaitStatus(Get("/v2/models/example/ready"), 200);
  AwaitStatus(Get("/v2/models/example/versions/1/ready"), 200);
  AwaitStatus(Get("/v2/models/later/ready"), 503);
  AwaitStatus(Get("/v2/models/nobody/ready"), 404);
  AwaitStatus(Get("/v2/models/example/versions/2/ready"), 404);
}

TEST_F(InferRoutes, ListTheRepository) {
  engine_->Announce({"later", {{"1", "fake"}}, {}, {}});
  const json ready = {{"name", "example"}, {"version", "1"}, {"state", "READY"}, {"reason", ""}};
  const json loading = {{"name", "later"}, {"version", "1"}, {"state", "LOADING"}, {"reason", ""}};
  EXPECT_EQ(Await(Post("/v2/repository/index", "")), json::array({ready, loading}));
  EXPECT_EQ(Await(Post("/v2/repository/index", R"({"ready":true})")), json::array({ready}));
  EXPECT_THAT(Refusal(Post("/v2/repository/index", R"({"ready":1})")),
              testing::HasSubstr("FIELD: "));
}

TEST_F(InferRoutes, CountWhatTheyHaveDone) {
  Await(Infer({1, 2, 3}));
  AwaitStatus(Infer({kBad}), 422);
  for (const char* path :
       {"/v2/models/stats", "/v2/models/example/stats", "/v2/models/example/versions/1/stats"}) {
    const json answer = Await(Get(path));
    ASSERT_EQ(answer["model_stats"].size(), 1u);
    const json& stats = answer["model_stats"][0];
    EXPECT_EQ(stats["name"], "example");
    EXPECT_EQ(stats["version"], "1");
    EXPECT_EQ(stats["inference_count"], 3);
    EXPECT_GE(stats["execution_count"], 1);
    EXPECT_EQ(stats["inference_stats"]["success"]["count"], 1);
    EXPECT_GE(stats["inference_stats"]["success"]["ns"], 5'000'000);  // 2 ms and 1 for each row
    EXPECT_EQ(stats["inference_stats"]["fail"]["count"], 1);
    EXPECT_GE(stats["inference_stats"]["compute_infer"]["ns"], 5'000'000);
  }
  AwaitStatus(Get("/v2/models/nobody/stats"), 404);
  AwaitStatus(Get("/v2/models/example/versions/2/stats"), 404);
}

}  // namespace
}  // namespace muster::server::api
