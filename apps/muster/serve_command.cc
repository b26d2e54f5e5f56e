#include <algorithm>
#include <cstdio>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "apps/muster/commands.h"
#include "apps/muster/process_limits.h"
#include "apps/muster/runtime.h"

#include "muster/base/clock.h"
#include "muster/engine/local_engine.h"
#include "muster/registry/repository.h"
#include "muster/server/api/api.h"
#include "muster/telemetry/log.h"

namespace muster::app {
namespace {

using server::http::HttpServer;
using server::http::HttpStats;
using telemetry::Log;
using telemetry::LogLevel;

/// Signals are taken by one sigwait, never by a handler: blocked here, before any thread starts.
/// SIGUSR1 is our own and says that draining is over.
sigset_t BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

std::string Ones(std::span<const model::Dim> dims) {
  if (dims.empty()) return "1";
  std::string inner = Ones(dims.subspan(1));
  if (dims.size() == 1 && dims[0].size == 1) return inner;
  const std::int64_t n = dims[0].dynamic() ? 1 : dims[0].size;
  std::string list = "[";
  for (std::int64_t i = 0; i < n; ++i) list += (i > 0 ? "," : "") + inner;
  return list + "]";
}

std::string SampleRow(const model::ModelSpec& spec) {
  const auto value = [&](const model::TensorSpec& input) {
    std::string row = Ones(model::RowDims(spec, input));
    if (input.dtype != tensor::DType::kBytes) return row;
    for (std::size_t at = 0; (at = row.find('1', at)) != std::string::npos; at += 3) {
      row.replace(at, 1, "\"a\"");
    }
    return row;
  };
  if (spec.inputs.size() == 1) return value(spec.inputs[0]);
  std::string row = "{";
  for (const model::TensorSpec& input : spec.inputs) {
    row += (row.size() > 1 ? ",\"" : "\"") + input.name + "\":" + value(input);
  }
  return row + "}";
}

/// Three lines to paste that work with what is served, shortest rows first.
void PrintCurlLines(const engine::Engine& engine, const std::string& url) {
  std::vector<std::pair<std::string, std::string>> rows;  // model, sample row
  bool example = false;
  for (const engine::ModelStatus& m : engine.Models()) {
    if (!m.lease) continue;
    example |= m.name == "example";
    rows.emplace_back(m.name, SampleRow(m.lease->spec));
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.size(), a.first) < std::pair(b.second.size(), b.first);
  });
  if (rows.empty()) {
    std::printf("  curl -s %s/health\n", url.c_str());
    return;
  }
  const auto post = [&](const std::string& path, const std::string& body) {
    std::printf("  curl -s %s%s -H 'Content-Type: application/json' -d '%s'\n", url.c_str(),
                path.c_str(), body.c_str());
  };
  const auto& single = rows.front();
  const auto& batch = rows.size() > 1 ? rows[1] : rows[0];
  std::printf("\nTry it:\n");
  post("/predict/" + single.first, "{\"inputs\": " + single.second + "}");
  post("/predict/" + batch.first + "/batch",
       "{\"inputs\": [" + batch.second + ", " + batch.second + "]}");
  if (example) {
    post("/examples/batch", "{}");
  } else {
    std::printf("  curl -s %s/models/%s\n", url.c_str(), single.first.c_str());
  }
  std::printf("\n");
}

HttpStats Sum(const HttpServer* a, const HttpServer* b) {
  HttpStats sum;
  for (const HttpServer* server : {a, b}) {
    if (server == nullptr) continue;
    const HttpStats s = server->stats();
    sum.connections_accepted += s.connections_accepted;
    sum.connections_refused += s.connections_refused;
    sum.connections_open += s.connections_open;
    sum.requests += s.requests;
    for (int i = 0; i < 6; ++i) sum.responses_by_class[i] += s.responses_by_class[i];
    sum.client_gone += s.client_gone;
    sum.protocol_errors += s.protocol_errors;
  }
  return sum;
}

std::string Url(const std::string& host, std::uint16_t port) {
  const std::string shown = host == "0.0.0.0" || host == "::" ? "localhost" : host;
  return "http://" + (shown.find(':') == std::string::npos ? shown : "[" + shown + "]") + ":" +
         std::to_string(port);
}

/// The listener for health and metrics alone; none where its default port is taken by another.
base::Result<std::unique_ptr<HttpServer>> ListenForMetrics(const Options& options,
                                                           const server::api::ApiContext& context) {
  if (options.metrics_port < 0) return std::unique_ptr<HttpServer>();
  server::http::HttpOptions http = options.http;
  http.port = static_cast<std::uint16_t>(options.metrics_port);
  http.threads = 1;
  auto server = HttpServer::Listen(http, server::api::MonitoringRoutes(context), base::RealClock());
  if (server || !options.metrics_port_is_default) return server;
  Log(LogLevel::kWarning, "no port for metrics alone", {{"reason", server.error().message}});
  return std::unique_ptr<HttpServer>();
}

int Fail(const base::Error& error) {
  std::fprintf(stderr, "muster: %s\n", error.message.c_str());
  return 1;
}

/// Everything that runs while serving, in the order in which it must end.
class Serving {
 public:
  Serving(const Options& options, const sigset_t& signals) : options_(options), signals_(signals) {}

  int Run() {
    auto folders = registry::FindModels(options_.models);
    if (!folders) return Fail(folders.error());
    if (const base::Status any = AnyLoadable(*folders); !any) return Fail(any.error());
    auto loader = OpenLoader(options_);
    if (!loader) return Fail(loader.error());
    loader_ = *std::move(loader);
    auto engine = engine::LocalEngine::Create(options_.engine, *loader_, base::RealClock());
    if (!engine) return Fail(engine.error());
    engine_ = *std::move(engine);
    for (const registry::ModelFolder& folder : *folders) engine_->Announce(folder);
    if (const base::Status listening = Listen(); !listening) return Fail(listening.error());
    loading_ = std::jthread(
        [this, found = *std::move(folders)](const std::stop_token& stop) { Load(found, stop); });
    AwaitSignal();
    return 0;
  }

 private:
  static base::Status AnyLoadable(const std::vector<registry::ModelFolder>& folders) {
    base::Status first = base::InvalidArgument(
        "no models given: expected PATH arguments, `models` in the config file or MUSTER_MODELS");
    if (!folders.empty()) first = folders.front().status;
    for (const registry::ModelFolder& folder : folders) {
      if (folder.status) return {};
    }
    return first;
  }

  base::Status Listen() {
    context_ = std::make_unique<server::api::ApiContext>(
        server::api::ApiContext{.engine = *engine_,
                                .clock = base::RealClock(),
                                .options = {.version = MUSTER_VERSION,
                                            .config_json = ConfigJson(options_),
                                            .limits = {.max_timeout = options_.engine.max_timeout}},
                                .started = base::RealClock().Now(),
                                .http_stats = [this] { return Sum(http_.get(), metrics_.get()); }});
    auto http =
        HttpServer::Listen(options_.http, server::api::ApiRoutes(*context_), base::RealClock());
    if (!http) return http.error();
    http_ = *std::move(http);
    MUSTER_ASSIGN_OR_RETURN(metrics_, ListenForMetrics(options_, *context_));
    return {};
  }

  void Load(const std::vector<registry::ModelFolder>& folders, const std::stop_token& stop) {
    for (const registry::ModelFolder& folder : folders) {
      if (stop.stop_requested()) return;
      // A model that fails is logged and shown by the engine; the others are served.
      (void)engine_->Load(folder).has_value();
    }
    engine_->SetReady();
    const std::string url = Url(options_.http.host, http_->port());
    std::printf("muster %s listens on %s\n", MUSTER_VERSION, url.c_str());
    if (metrics_) {
      std::printf("health and metrics alone on %s\n",
                  Url(options_.http.host, metrics_->port()).c_str());
    }
    PrintCurlLines(*engine_, url);
    std::fflush(stdout);  // who waits for these lines may read a pipe
  }

  void AwaitSignal() {
    int signal = 0;
    do {
      sigwait(&signals_, &signal);
    } while (signal == SIGUSR1);
    Log(LogLevel::kInfo, "draining", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
    loading_.request_stop();
    engine_->SetDraining();
    const bool at_terminal = signal == SIGINT && isatty(STDIN_FILENO) == 1;
    const auto delay = options_.drain_delay_is_default && at_terminal ? std::chrono::milliseconds(0)
                                                                      : options_.drain_delay;
    const bool hurried = AnotherSignalWithin(delay);
    std::jthread drain([this, hurried] {
      http_->Drain(hurried ? std::chrono::milliseconds(1000) : options_.drain_limit);
      kill(getpid(), SIGUSR1);
    });
    for (sigwait(&signals_, &signal); signal != SIGUSR1; sigwait(&signals_, &signal)) {
      http_->Drain(std::chrono::milliseconds(1000));
    }
    drain.join();
    if (loading_.joinable()) loading_.join();
    engine_->Drain();
    if (metrics_) metrics_->Drain(std::chrono::milliseconds(1000));
    Log(LogLevel::kInfo, "drained");
  }

  bool AnotherSignalWithin(std::chrono::milliseconds delay) {
    sigset_t hurry;
    sigemptyset(&hurry);
    sigaddset(&hurry, SIGINT);
    sigaddset(&hurry, SIGTERM);
    const timespec wait{.tv_sec = delay.count() / 1000,
                        .tv_nsec = (delay.count() % 1000) * 1'000'000};
    return sigtimedwait(&hurry, nullptr, &wait) > 0;
  }

  const Options& options_;
  const sigset_t signals_;
  std::unique_ptr<model::ModelLoader> loader_;
  std::unique_ptr<engine::LocalEngine> engine_;
  std::unique_ptr<server::api::ApiContext> context_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<HttpServer> metrics_;
  std::jthread loading_;
};

}  // namespace

int Serve(const Options& options) {
  const sigset_t signals = BlockSignals();
  RaiseDescriptorLimit(options);
  return Serving(options, signals).Run();
}

}  // namespace muster::app
