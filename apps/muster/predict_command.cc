#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "apps/muster/commands.h"
#include "apps/muster/runtime.h"

#include "muster/base/clock.h"
#include "muster/base/ids.h"
#include "muster/engine/local_engine.h"
#include "muster/registry/repository.h"
#include "muster/server/codec/predict_json.h"
#include "muster/telemetry/log.h"

namespace muster::app {
namespace {

using server::codec::CallResult;

/// A loop for a caller that has none: tasks run on the waiting thread.
class WaitingLoop final : public base::Loop {
 public:
  void Post(Task task) override {
    {
      base::MutexLock lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    posted_.notify_one();
  }
  void AtEndOfTurn(Task task) override { Post(std::move(task)); }
  TimerId At(base::TimePoint, Task) override { base::Fatal("no timers here", __FILE__, __LINE__); }
  void CancelTimer(TimerId) override {}
  base::TimePoint Now() const override { return base::RealClock().Now(); }
  bool IsCurrent() const override { return false; }  // it has no turns
  std::uint64_t turn() const override { return 0; }

  void RunOne() {
    base::MutexLock lock(mutex_);
    while (tasks_.empty()) base::Wait(mutex_, posted_);
    Task task = std::move(tasks_.front());
    tasks_.erase(tasks_.begin());
    lock.Unlock();
    task();
    lock.Lock();
  }

 private:
  base::Mutex mutex_;
  base::CondVar posted_;
  std::vector<Task> tasks_;
};

base::Result<std::string> Answer(engine::Engine& engine, const std::string& model,
                                 std::string body) {
  const base::TimePoint received = base::RealClock().Now();
  const std::size_t bytes = body.size();
  body.append(64, '\0');  // the decoder reads ahead
  MUSTER_ASSIGN_OR_RETURN(
      auto decoded,
      server::codec::DecodePredict(std::as_bytes(std::span(body.data(), bytes)),
                                   {.model = model, .version = "", .batch_route = false}, {},
                                   [&](std::string_view name, std::string_view version) {
                                     return engine.Resolve(name, version);
                                   }));
  WaitingLoop loop;
  std::vector<CallResult> results(decoded.calls.size(), CallResult(base::Internal("no answer")));
  const base::TimePoint submitted = base::RealClock().Now();
  for (std::size_t i = 0; i < decoded.calls.size(); ++i) {
    engine::PredictRequest request;
    request.model = decoded.calls[i].model;
    request.inputs = std::move(decoded.calls[i].inputs);
    request.rows = decoded.calls[i].rows;
    request.priority = decoded.priority;
    request.timeout = decoded.timeout;
    engine.Predict(std::move(request), &loop,
                   [&results, i](CallResult result) { results[i] = std::move(result); });
  }
  for (std::size_t i = 0; i < decoded.calls.size(); ++i) loop.RunOne();
  std::string out;
  const std::string id = base::NewRequestId();
  MUSTER_RETURN_IF_ERROR(server::codec::EncodePredict(out, decoded, results,
                                                      {.request_id = id,
                                                       .framework_version = MUSTER_VERSION,
                                                       .received = received,
                                                       .submitted = submitted,
                                                       .clock = &base::RealClock()}));
  return out;
}

/// `--model` may be a path; then it is also what to load.
base::Result<std::vector<registry::ModelFolder>> Find(const Options& options, std::string& model) {
  std::vector<std::string> paths = options.models;
  std::error_code error;
  if (paths.empty() && std::filesystem::exists(model, error)) paths = {std::exchange(model, "")};
  MUSTER_ASSIGN_OR_RETURN(auto found, registry::FindModels(paths));
  if (found.empty()) return base::InvalidArgument("no models given: expected --model FILE or PATH");
  if (model.empty()) return found;
  // Only the model asked for is loaded.
  std::erase_if(found, [&](const registry::ModelFolder& folder) { return folder.name != model; });
  if (found.empty()) return base::NotFound("model `" + model + "` is not in the given paths");
  return found;
}

base::Result<std::string> PredictOnce(const Options& options, std::string model, std::string body) {
  MUSTER_ASSIGN_OR_RETURN(const auto folders, Find(options, model));
  MUSTER_ASSIGN_OR_RETURN(auto loader, OpenLoader(options));
  engine::EngineOptions engine_options = options.engine;
  engine_options.cores = 1;  // one request keeps one instance busy
  MUSTER_ASSIGN_OR_RETURN(auto engine,
                          engine::LocalEngine::Create(engine_options, *loader, base::RealClock()));
  for (const registry::ModelFolder& folder : folders) MUSTER_RETURN_IF_ERROR(engine->Load(folder));
  engine->SetReady();
  return Answer(*engine, model, std::move(body));
}

}  // namespace

int Predict(const Options& options, const std::string& model, const std::string& input) {
  if (options.log_level == "info") telemetry::SetLogLevel(telemetry::LogLevel::kWarning);
  std::string body = input;
  if (input == "-") body.assign(std::istreambuf_iterator<char>(std::cin), {});
  auto answer = PredictOnce(options, model, std::move(body));
  if (!answer) {
    std::fprintf(stderr, "muster: %s\n", answer.error().message.c_str());
    return 1;
  }
  std::printf("%s\n", answer->c_str());
  return 0;
}

}  // namespace muster::app
