// The echo limit: muster's own connection, codec and answer encoder, with the engine replaced by a
// constant. What a model behind the same socket can reach at most. Interface and number of answer
// bytes are those of examples/models/iris.
//
//   muster_echo PORT             connection, codec and encoder
//   muster_echo PORT connection  the connection alone: the same answer, written beforehand

#include <cstdio>
#include <cstdlib>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/engine/engine.h"
#include "muster/server/api/api.h"

namespace {

using namespace muster;

constexpr std::size_t kAnswerBytes = 540;  // of the codec's answer, about

class ConstantVersion final : public registry::ServedVersion {};

engine::ModelLease IrisInterface() {
  auto version = std::make_shared<ConstantVersion>();
  version->name = "iris";
  version->version = "1";
  const model::Dim rows{.size = model::Dim::kDynamic, .symbol = "N"};
  version->spec.inputs = {{"features", tensor::DType::kFp32, {rows, {.size = 4}}}};
  version->spec.outputs = {{"label", tensor::DType::kInt64, {rows}},
                           {"probabilities", tensor::DType::kFp32, {rows, {.size = 3}}}};
  version->spec.labels = {"setosa", "versicolor", "virginica"};
  version->spec.format = "constant";
  model::DeriveBatchAxis(version->spec);
  version->layout = model::DeriveLayout(version->spec);
  return version;
}

class ConstantEngine final : public engine::Engine {
 public:
  base::Result<engine::ModelLease> Resolve(std::string_view, std::string_view) override {
    return lease_;
  }

  void Predict(engine::PredictRequest request, base::Loop* home, engine::Completion done) override {
    home->Post([this, rows = request.rows, done = std::move(done)]() mutable {
      done(engine::PredictResponse{lease_, Answer(rows), false});
    });
  }

  std::vector<engine::ModelStatus> Models() const override { return {}; }
  engine::HealthReport Health() const override { return {.live = true, .ready = true}; }

 private:
  engine::PredictResult Answer(std::int64_t rows) const {
    engine::PredictResult result;
    result.parts.push_back({0, rows, {label_.Rows(0, rows), probabilities_.Rows(0, rows)}});
    result.row_shares.assign(static_cast<std::size_t>(rows), std::chrono::nanoseconds(2317));
    result.batch_size = rows;
    result.inference = std::chrono::nanoseconds(2317);
    result.queue = std::chrono::nanoseconds(10453);
    result.finished = base::RealClock().Now();
    return result;
  }

  static constexpr std::int64_t kRows = 64;
  engine::ModelLease lease_ = IrisInterface();
  tensor::Tensor label_ =
      tensor::Tensor::Of<std::int64_t>({kRows}, std::vector<std::int64_t>(kRows, 1));
  tensor::Tensor probabilities_ = tensor::Tensor::Of<float>({kRows, 3}, [] {
    std::vector<float> p;
    for (std::int64_t i = 0; i < kRows; ++i)
      p.insert(p.end(), {0.0077114026F, 0.8630216F, 0.12926698F});
    return p;
  }());
};

/// The route alone, answering `text`: what the connection costs without the codec.
server::http::RouteTable ConstantRoutes(std::string text) {
  server::http::Route route;
  route.method = server::http::Method::kPost;
  route.pattern = "/predict/{model}";
  route.handler = [text = std::move(text)](const server::http::ExchangePtr& exchange) {
    exchange->out() += text;
    exchange->Send(200, server::http::kJson);
  };
  server::http::RouteTable table;
  table.Add(std::move(route));
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  ConstantEngine engine;
  server::api::ApiContext context{.engine = engine,
                                  .clock = base::RealClock(),
                                  .options = {.version = "0.1.0"},
                                  .started = base::RealClock().Now(),
                                  .http_stats = {}};
  server::http::HttpOptions options;
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  const bool connection_only = argc > 2;
  auto routes = connection_only ? ConstantRoutes(std::string(kAnswerBytes, 'x'))
                                : server::api::ApiRoutes(context);
  auto server = server::http::HttpServer::Listen(options, std::move(routes), base::RealClock());
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  std::printf("http://127.0.0.1:%d\n", (*server)->port());
  std::fflush(stdout);
  std::binary_semaphore(0).acquire();  // until killed
}
