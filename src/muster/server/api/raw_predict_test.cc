#include <array>
#include <cstring>

#include "muster/server/api/internal/predict_fixture.h"

namespace muster::server::api {
namespace {

class RawPredict : public PredictFixture {
 protected:
  using Headers = std::map<std::string, std::string, std::less<>>;

  std::shared_ptr<FakeExchange> PostRaw(const std::string& path, const std::vector<float>& values,
                                        Headers headers = {}) {
    std::string body(values.size() * sizeof(float), '\0');
    std::memcpy(body.data(), values.data(), body.size());
    headers["Content-Type"] = "application/octet-stream";
    return Post(path, body, std::move(headers));
  }
};

TEST_F(RawPredict, AnswersInKindWithWhatItIsInTheHeaders) {
  const auto exchange =
      PostRaw("/predict/example/batch", {1, 2, 3}, {{"Accept", "application/octet-stream"}});
  while (!exchange->status) loop_.AwaitAndRun();
  ASSERT_EQ(exchange->status, 200) << exchange->error->message;
  ASSERT_EQ(exchange->out().size(), 12u);
  std::array<float, 3> values{};
  std::memcpy(values.data(), exchange->out().data(), 12);
  EXPECT_EQ(values, (std::array<float, 3>{2, 4, 6}));
  EXPECT_EQ(exchange->answer_headers["X-Muster-Shape"], "3,1");
  EXPECT_EQ(exchange->answer_headers["X-Muster-Dtype"], "FP32");
  EXPECT_EQ(exchange->answer_headers["X-Muster-Output"], "y");
  EXPECT_EQ(exchange->answer_headers["X-Muster-Model"], "example");
  EXPECT_EQ(exchange->answer_headers["X-Muster-Model-Version"], "1");
  EXPECT_EQ(exchange->answer_headers["X-Request-Id"], "req_test");
}

TEST_F(RawPredict, AnswersInJsonUnlessAskedOtherwise) {
  const json answer = Await(PostRaw("/predict/example", {21}));
  EXPECT_EQ(answer["result"], json::parse("[42.0]"));
  EXPECT_EQ(answer["metadata"]["input_shape"], json::parse("[1,1]"));
}

TEST_F(RawPredict, RunsHigherPrioritiesFirst) {
  registry::ModelConfig config;
  config.instances = 1;
  config.max_batch_size = 1;
  model::FakeModel& model = Load("single", config);
  const int before = model.run_count();
  model.Hold();
  const auto first = PostRaw("/predict/single", {1});
  model.AwaitRunning(1);
  const auto low = PostRaw("/predict/single", {2}, {{"X-Request-Priority", "-1"}});
  const auto high = PostRaw("/predict/single", {3}, {{"X-Request-Priority", "1"}});
  model.Release();
  for (const auto& exchange : {first, low, high}) Await(exchange);
  const auto runs = model.runs();
  ASSERT_EQ(runs.size(), static_cast<std::size_t>(before) + 3);
  EXPECT_EQ(runs[runs.size() - 2].x, std::vector<float>{3});
  EXPECT_EQ(runs[runs.size() - 1].x, std::vector<float>{2});
}

TEST_F(RawPredict, ExpiresByItsHeader) {
  example_->Hold();
  const auto running = PostRaw("/predict/example", {1});
  example_->AwaitRunning(1);
  const auto late = PostRaw("/predict/example", {2}, {{"X-Request-Timeout-Ms", "5"}});
  clock_.Advance(milliseconds(6));
  example_->Release();
  Await(running);
  while (!late->status) loop_.AwaitAndRun();
  EXPECT_EQ(late->status, 504);
}

}  // namespace
}  // namespace muster::server::api
