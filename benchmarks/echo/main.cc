// The echo limit: muster's own connection, codec and answer encoder, with the engine replaced by a
// constant. What a model behind the same socket can reach at most.
//
//   muster_echo PORT                 interface and number of answer bytes of examples/models/iris
//   muster_echo PORT connection      the connection alone: the same answer, written beforehand
//   muster_echo PORT model PATH      interface of that model, and its own answer to a made-up row
//   muster_echo PORT model PATH N    the same for the first N requests; all others are refused, so
//                                    that the cost of a refusal can be measured

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "muster/backends/onnx/onnx_loader.h"
#include "muster/base/clock.h"
#include "muster/engine/engine.h"
#include "muster/model/seeded_rows.h"
#include "muster/registry/repository.h"
#include "muster/server/api/api.h"

namespace {

using namespace muster;
using tensor::Tensor;

constexpr std::size_t kAnswerBytes = 540;  // of the codec's answer, about
constexpr std::size_t kRows = 64;          // at most in a request

class ConstantVersion final : public registry::ServedVersion {};

/// What is answered: the interface, and the outputs of kRows equal rows.
struct Constant {
  engine::ModelLease lease;
  std::vector<Tensor> outputs;
  tensor::TensorList row = {};  ///< what every picture becomes
};

Constant Iris() {
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
  std::vector<float> p;
  for (std::size_t i = 0; i < kRows; ++i) p.insert(p.end(), {0.0077114026F, 0.8630216F, 0.129267F});
  return {version,
          {Tensor::Of<std::int64_t>({kRows}, std::vector<std::int64_t>(kRows, 1)),
           Tensor::Of<float>({kRows, 3}, p)}};
}

/// The newest version of the model at `path`, asked once.
base::Result<Constant> AnswerOf(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const auto folders, registry::FindModels({path}));
  const registry::ModelFolder& folder = folders.front();
  MUSTER_RETURN_IF_ERROR(folder.status);
  MUSTER_ASSIGN_OR_RETURN(
      const auto loader,
      backends::onnx::OnnxLoader::Open({.library = "", .search = {MUSTER_DEFAULT_ONNXRUNTIME}}));
  const registry::VersionFile& file = folder.versions.back();
  MUSTER_ASSIGN_OR_RETURN(const auto model, loader->Load({.path = file.path, .bytes = {}}, {}));
  MUSTER_ASSIGN_OR_RETURN(const auto instance, model->NewInstance({}));
  std::mt19937_64 random(1);
  MUSTER_ASSIGN_OR_RETURN(const auto row,
                          model::MakeRow(model->spec(), model::RowStyle::kVaried, 1, random));
  MUSTER_ASSIGN_OR_RETURN(const auto outputs, model::RunAndWait(*instance, row));
  auto version = std::make_shared<ConstantVersion>();
  version->name = folder.name;
  version->version = file.version;
  version->spec = model->spec();
  if (!folder.config.labels.empty()) version->spec.labels = folder.config.labels;
  version->layout = model::DeriveLayout(version->spec);
  version->config = folder.config;
  version->layout.scores = version->layout.probabilities;
  const std::vector<const std::vector<Tensor>*> rows(kRows, &outputs);
  return Constant{version, model::StackRows(rows), {row.begin(), row.end()}};
}

class ConstantEngine final : public engine::Engine {
 public:
  /// Refuses all but the first `answers` requests.
  ConstantEngine(Constant constant, std::int64_t answers)
      : constant_(std::move(constant)), left_(answers) {}

  base::Result<engine::ModelLease> Resolve(std::string_view, std::string_view) override {
    return constant_.lease;
  }

  void Predict(engine::PredictRequest request, base::Loop* home, engine::Completion done) override {
    home->Post([this, rows = request.rows, done = std::move(done)]() mutable {
      if (left_.fetch_sub(1, std::memory_order_relaxed) <= 0) return done(Refusal());
      done(engine::PredictResponse{constant_.lease, Answer(rows), false});
    });
  }

  base::Status WouldAccept(const engine::ModelLease&, std::optional<base::Duration>) override {
    return {};
  }

  /// One picture is read and thrown away like any other body.
  void PrepareImages(engine::ImageRequest request, base::Loop* home,
                     engine::ImagesDone done) override {
    home->Post([this, request = std::move(request), done = std::move(done)]() mutable {
      if (request.pictures.size() != 1) return done(base::Unimplemented("one picture at a time"));
      done(engine::PreparedImages{constant_.row, 1, {base::Status()}});
    });
  }

  std::vector<engine::ModelStatus> Models() const override {
    engine::ModelStatus status;
    status.name = constant_.lease->name;
    status.version = constant_.lease->version;
    status.state = registry::VersionState::kReady;
    status.is_default = true;
    status.lease = constant_.lease;
    return {status};
  }
  engine::HealthReport Health() const override { return {.live = true, .ready = true}; }

 private:
  /// As the batcher words it.
  static base::Error Refusal() {
    base::Error error = base::Unavailable(
        "overloaded: 256 rows wait, and the answer is not expected within 10 ms", "OVERLOADED");
    error.retry_after = std::chrono::milliseconds(7);
    return error;
  }

  engine::PredictResult Answer(std::int64_t rows) const {
    const std::int64_t n = std::min<std::int64_t>(rows, kRows);
    engine::PredictResult result;
    tensor::TensorList outputs;
    for (const Tensor& output : constant_.outputs) outputs.push_back(output.Rows(0, n));
    result.parts.push_back({0, n, std::move(outputs)});
    result.row_shares.assign(static_cast<std::size_t>(n), std::chrono::nanoseconds(2317));
    result.batch_size = n;
    result.inference = std::chrono::nanoseconds(2317);
    result.queue = std::chrono::nanoseconds(10453);
    result.finished = base::RealClock().Now();
    return result;
  }

  const Constant constant_;
  std::atomic<std::int64_t> left_;
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

/// Until killed.
base::Status Serve(std::uint16_t port, engine::Engine& engine, bool connection_only) {
  server::api::ApiContext context{.engine = engine,
                                  .clock = base::RealClock(),
                                  .options = {.version = "0.1.0"},
                                  .started = base::RealClock().Now(),
                                  .http_stats = {}};
  server::http::HttpOptions options;
  options.port = port;
  auto routes = connection_only ? ConstantRoutes(std::string(kAnswerBytes, 'x'))
                                : server::api::ApiRoutes(context);
  MUSTER_ASSIGN_OR_RETURN(const auto server, server::http::HttpServer::Listen(
                                                 options, std::move(routes), base::RealClock()));
  std::printf("http://127.0.0.1:%d\n", server->port());
  std::fflush(stdout);
  std::binary_semaphore(0).acquire();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[2] : "";
  if ((mode == "model") != (argc > 3) || (argc == 3 && mode != "connection") || argc > 5) {
    std::fprintf(stderr, "usage: muster_echo [PORT [connection | model PATH [N]]]\n");
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  auto constant = argc > 3 ? AnswerOf(argv[3]) : Iris();
  base::Status status;
  if (constant) {
    ConstantEngine engine(*std::move(constant), argc > 4
                                                    ? std::atoll(argv[4])
                                                    : std::numeric_limits<std::int64_t>::max());
    status = Serve(port, engine, mode == "connection");
  } else {
    status = constant.error();
  }
  std::fprintf(stderr, "muster_echo: %s\n", status.error().message.c_str());
  return 1;
}
