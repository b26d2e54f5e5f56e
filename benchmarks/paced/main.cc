// A server whose model takes exactly as long as it is told: ROW_MS · n + FIXED_MS for n rows, and
// answers twice its input. Everything else is muster's: connection, codec, engine, batcher. For
// overload with a known capacity, on any machine and with the cores' speed left out.
//
//   muster_paced PORT ROW_MS FIXED_MS INSTANCES

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <semaphore>
#include <utility>

#include "muster/base/clock.h"
#include "muster/engine/local_engine.h"
#include "muster/server/api/api.h"

namespace {

using namespace muster;

struct Pace {
  double row_ms = 1;
  double fixed_ms = 10;
};

timespec In(double ms) {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  const auto ns = at.tv_nsec + static_cast<std::int64_t>(ms * 1e6);
  at.tv_sec += ns / 1'000'000'000;
  at.tv_nsec = ns % 1'000'000'000;
  return at;
}

/// Synchronous, and busy with waiting: never for an event loop.
class PacedInstance final : public model::Instance {
 public:
  explicit PacedInstance(Pace pace) : pace_(pace) {}

  void Start(model::RunId run, std::span<const tensor::Tensor> inputs,
             model::RunSink& sink) noexcept override {
    const tensor::Tensor& x = inputs[0];
    const timespec end = In(pace_.row_ms * static_cast<double>(x.rows()) + pace_.fixed_ms);
    const tensor::Tensor y = tensor::Tensor::Allocate(tensor::DType::kFp32, x.shape());
    const auto in = x.data<const float>();
    const auto out = y.data<float>();
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = 2 * in[i];
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) == EINTR) {
    }
    sink.OnDone(run, std::vector<tensor::Tensor>{y});
  }

  void Cancel(model::RunId) noexcept override {}  // its time is known and short

 private:
  const Pace pace_;
};

class PacedModel final : public model::Model {
 public:
  explicit PacedModel(Pace pace) : pace_(pace) {
    const model::Dim rows{.size = model::Dim::kDynamic, .symbol = "N"};
    spec_.inputs = {{"x", tensor::DType::kFp32, {rows, {.size = 1}}}};
    spec_.outputs = {{"y", tensor::DType::kFp32, {rows, {.size = 1}}}};
    spec_.format = "paced";
    model::DeriveBatchAxis(spec_);
  }
  const model::ModelSpec& spec() const override { return spec_; }
  base::Result<std::unique_ptr<model::Instance>> NewInstance(
      const model::InstanceOptions&) override {
    return std::unique_ptr<model::Instance>(std::make_unique<PacedInstance>(pace_));
  }

 private:
  const Pace pace_;
  model::ModelSpec spec_;
};

class PacedLoader final : public model::ModelLoader {
 public:
  explicit PacedLoader(Pace pace) : pace_(pace) {}
  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource&,
                                                   const model::LoadOptions&) override {
    return std::unique_ptr<model::Model>(std::make_unique<PacedModel>(pace_));
  }

 private:
  const Pace pace_;
};

base::Status Serve(std::uint16_t port, Pace pace, int instances) {
  PacedLoader loader(pace);
  MUSTER_ASSIGN_OR_RETURN(
      const auto engine, engine::LocalEngine::Create({.cores = instances, .default_model = "paced"},
                                                     loader, base::RealClock()));
  MUSTER_RETURN_IF_ERROR(engine->Load({"paced", {{"1", "paced"}}, {}, {}}));
  engine->SetReady();
  server::api::ApiContext context{.engine = *engine,
                                  .clock = base::RealClock(),
                                  .options = {.version = "0.1.0"},
                                  .started = base::RealClock().Now(),
                                  .http_stats = {}};
  server::http::HttpOptions options;
  options.port = port;
  MUSTER_ASSIGN_OR_RETURN(const auto server,
                          server::http::HttpServer::Listen(options, server::api::ApiRoutes(context),
                                                           base::RealClock()));
  std::printf("http://127.0.0.1:%d\n", server->port());
  std::fflush(stdout);
  std::binary_semaphore(0).acquire();  // until killed
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const Pace pace{argc > 2 ? std::atof(argv[2]) : -1, argc > 3 ? std::atof(argv[3]) : -1};
  const int instances = argc > 4 ? std::atoi(argv[4]) : 0;
  if (argc != 5 || pace.row_ms < 0 || pace.fixed_ms < 0 || instances < 1) {
    std::fprintf(stderr, "usage: muster_paced PORT ROW_MS FIXED_MS INSTANCES\n");
    return 2;
  }
  const base::Status status =
      Serve(static_cast<std::uint16_t>(std::atoi(argv[1])), pace, instances);
  std::fprintf(stderr, "muster_paced: %s\n", status.error().message.c_str());
  return 1;
}
