#include "muster/engine/local_engine.h"

#include <atomic>
#include <utility>

#include "muster/batching/device.h"
#include "muster/engine/internal/image_pool.h"
#include "muster/engine/internal/live_version.h"
#include "muster/registry/reaper.h"
#include "muster/telemetry/log.h"

namespace muster::engine {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Status;

LiveVersion& Live(const ModelLease& lease) { return static_cast<LiveVersion&>(*lease); }

Status CheckRequest(const PredictRequest& request) {
  if (request.sequence_id) {
    return base::Unimplemented("sequences are not supported", "SEQUENCES_UNSUPPORTED");
  }
  if (request.rows < 1) return InvalidArgument("expected at least one row", "EMPTY_BATCH");
  const model::ModelSpec& spec = request.model->spec;
  if (request.inputs.size() != spec.inputs.size()) {
    return InvalidArgument("expected " + std::to_string(spec.inputs.size()) + " inputs, got " +
                               std::to_string(request.inputs.size()),
                           "MISSING_INPUT");
  }
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(model::CheckInput(spec, spec.inputs[i], request.inputs[i]));
    if (request.inputs[i].rows() != request.rows) {
      return InvalidArgument("input `" + spec.inputs[i].name + "`: expected " +
                                 std::to_string(request.rows) + " rows, got " +
                                 std::to_string(request.inputs[i].rows()),
                             "SHAPE");
    }
  }
  return {};
}

class LocalEngineImpl final : public LocalEngine {
 public:
  LocalEngineImpl(const EngineOptions& options, model::ModelLoader& loader, base::Clock& clock)
      : options_(options),
        loader_(loader),
        clock_(clock),
        device_(batching::MakeFairDevice(options.cores)),
        images_({.threads = options.cores, .limits = options.image_limits}, *device_, clock),
        registry_(clock) {
    registry_.SetDefault(options.default_model);
  }
  ~LocalEngineImpl() override { Drain(); }

  void Announce(const registry::ModelFolder& folder) override {
    for (const registry::VersionFile& file : folder.versions) {
      registry_.SetLoading(folder.name, file.version);
    }
  }

  Status Load(const registry::ModelFolder& folder) override {
    Status first;
    if (!folder.status) {
      const std::string version = folder.versions.empty() ? "1" : folder.versions.back().version;
      return Fail(folder.name, version, folder.status.error());
    }
    for (const registry::VersionFile& file : folder.versions) {
      const Status status = LoadVersion(folder, file);
      if (!status && first) first = status;
    }
    return first;
  }

  void SetReady() override { ready_ = true; }
  void SetDraining() override { draining_ = true; }

  void Drain() override {
    draining_ = true;
    refusing_ = true;
    images_.Drain();
    for (const registry::VersionEntry& entry : registry_.List()) {
      if (entry.lease) Live(entry.lease).batcher->Drain();
    }
    registry_.Clear();
  }

  base::Result<ModelLease> Resolve(std::string_view model, std::string_view version) override {
    return registry_.Find(model, version);
  }

  void Predict(PredictRequest request, base::Loop* home, Completion done) override {
    const base::TimePoint start = clock_.Now();
    LiveVersion& live = Live(request.model);
    live.requests.Add();
    Status status = refusing_ ? Status(base::Unavailable("the server is shutting down", "DRAINING"))
                              : CheckRequest(request);
    if (!status) return Refuse(live, std::move(status).error(), home, std::move(done));
    const auto pass = live.breaker.Admit(start);
    if (!pass) return Refuse(live, pass.error(), home, std::move(done));
    live.batcher->Submit(ToWorkItem(std::move(request), home, {start, *pass}, std::move(done)));
  }

  Status WouldAccept(const ModelLease& model, std::optional<base::Duration> timeout) override {
    if (refusing_) return base::Unavailable("the server is shutting down", "DRAINING");
    LiveVersion& live = Live(model);
    Status accepted = live.batcher->WouldAccept(clock_.Now() + Limit(timeout));
    if (!accepted) {
      live.requests.Add();
      live.errors.Add();
    }
    return accepted;
  }

  void PrepareImages(ImageRequest request, base::Loop* home, ImagesDone done) override {
    LiveVersion& live = Live(request.model);
    if (!live.image_plan) {
      return home->Post([done = std::move(done)]() mutable {
        done(InvalidArgument("the model takes no pictures: its muster.yaml has no `image`",
                             "FIELD"));
      });
    }
    live.pictures.Add(request.pictures.size());
    const base::TimePoint deadline = request.since.value_or(clock_.Now()) + Limit(request.timeout);
    auto counted = [&live, done = std::move(done)](base::Result<PreparedImages> prepared) mutable {
      const bool all = prepared.has_value() &&
                       static_cast<std::size_t>(prepared->rows) == prepared->statuses.size();
      if (!all) {
        live.pictures_refused.Add(
            prepared ? prepared->statuses.size() - static_cast<std::size_t>(prepared->rows) : 1);
        live.requests.Add();  // others are counted by Predict
        live.errors.Add();
      }
      done(std::move(prepared));
    };
    const ImageRoute route{*live.image_plan, live.image_flow};
    images_.Submit(std::move(request), route, deadline, home, std::move(counted));
  }

  std::vector<ModelStatus> Models() const override {
    std::vector<ModelStatus> all;
    const std::string default_name = registry_.DefaultName();
    for (const registry::VersionEntry& entry : registry_.List()) {
      all.push_back(StatusOf(entry, default_name));
    }
    return all;
  }

  HealthReport Health() const override {
    const base::TimePoint now = clock_.Now();
    HealthReport report;
    report.draining = draining_;
    report.ready = ready_ && !draining_;
    bool any_ready = false;
    for (const registry::VersionEntry& entry : registry_.List()) {
      any_ready |= entry.state == registry::VersionState::kReady;
      const std::string problem = ProblemOf(entry, now);
      if (problem.empty()) continue;
      report.degraded = true;
      report.problems.push_back("model " + entry.name + " version " + entry.version + ": " +
                                problem);
    }
    if (ready_ && !any_ready && !draining_) {
      report.degraded = true;
      report.problems.push_back("no model is ready");
    }
    return report;
  }

 private:
  /// How a request got in.
  struct Entry {
    base::TimePoint start;
    registry::BreakerPass pass;
  };

  static void Refuse(LiveVersion& live, Error error, base::Loop* home, Completion done) {
    live.errors.Add();
    home->Post(
        [done = std::move(done), error = std::move(error)]() mutable { done(std::move(error)); });
  }

  /// Empty: none.
  static std::string ProblemOf(const registry::VersionEntry& entry, base::TimePoint now) {
    if (entry.state == registry::VersionState::kFailed) return entry.reason;
    if (!entry.lease) return "";
    switch (Live(entry.lease).breaker.Snapshot(now).state) {
      case registry::BreakerState::kClosed:
        return "";
      case registry::BreakerState::kHalfOpen:
        return "it has failed too often and is being tried again";
      case registry::BreakerState::kOpen:
        break;
    }
    return "it has failed too often and is not asked for now";
  }

  Status Fail(const std::string& name, const std::string& version, const Error& error) {
    registry_.SetFailed(name, version, error.message);
    telemetry::Log(telemetry::LogLevel::kError, "model failed to load",
                   {{"model", name}, {"version", version}, {"reason", error.message}});
    return error;
  }

  Status LoadVersion(const registry::ModelFolder& folder, const registry::VersionFile& file) {
    registry_.SetLoading(folder.name, file.version);
    const base::TimePoint start = clock_.Now();
    auto live = StartVersion(folder.config, {.path = file.path, .bytes = {}}, loader_, *device_,
                             options_.cores, clock_);
    if (!live) return Fail(folder.name, file.version, live.error());
    LiveVersion& version = **live;
    version.name = folder.name;
    version.version = file.version;
    if (!version.batchable && version.spec.batch_axis == model::BatchAxis::kDynamic) {
      telemetry::Log(telemetry::LogLevel::kWarning, "model is not batched",
                     {{"model", folder.name}, {"reason", version.proof.reason}});
    }
    telemetry::Log(
        telemetry::LogLevel::kInfo, "model ready",
        {{"model", folder.name},
         {"version", file.version},
         {"load_ms",
          std::to_string(
              std::chrono::round<std::chrono::milliseconds>(clock_.Now() - start).count())},
         {"instances", std::to_string(version.batcher->Snapshot().instances)},
         {"batch_invariant", std::string(batching::BatchInvarianceName(version.invariance)) +
                                 (version.config.batch_invariant ? ", enforced" : "")}});
    registry_.SetReady(reaper_.Lease(*std::move(live)));
    return {};
  }

  base::Duration Limit(std::optional<base::Duration> timeout) const {
    return std::min<base::Duration>(timeout.value_or(options_.default_timeout),
                                    options_.max_timeout);
  }

  batching::WorkItem ToWorkItem(PredictRequest request, base::Loop* home, Entry entry,
                                Completion done) {
    batching::WorkItem item;
    item.inputs = std::move(request.inputs);
    item.rows = request.rows;
    item.isolation = request.isolation;
    item.announced = request.announced;
    item.priority = request.priority;
    item.deadline_is_explicit = request.timeout.has_value();
    item.deadline = request.since.value_or(entry.start) + Limit(request.timeout);
    item.cancelled = std::move(request.cancelled);
    item.client = std::move(request.client_id);
    item.home = home;
    item.done = [this, entry, deadline = item.deadline, lease = std::move(request.model),
                 done = std::move(done)](base::Result<batching::WorkResult> work) mutable {
      if (work && clock_.Now() > deadline) {
        work = base::DeadlineExceeded("the deadline passed while the model was running", "EXPIRED");
      }
      Finish(entry, std::move(lease), std::move(work), done);
    };
    return item;
  }

  void Finish(Entry entry, ModelLease lease, base::Result<batching::WorkResult> work,
              Completion& done) {
    LiveVersion& live = Live(lease);
    const base::TimePoint now = clock_.Now();
    live.latency.Record(now - entry.start);
    live.breaker.OnAnswer(entry.pass, OutcomeOf(work), now);
    if (!work) {
      live.errors.Add();
      done(std::move(work).error());
      return;
    }
    if (!work->errors.empty()) live.errors.Add();
    const bool cold = !live.warm.exchange(true, std::memory_order_relaxed);
    done(PredictResponse{std::move(lease), *std::move(work), cold});
  }

  ModelStatus StatusOf(const registry::VersionEntry& entry, const std::string& default_name) const {
    ModelStatus status;
    status.name = entry.name;
    status.version = entry.version;
    status.state = entry.state;
    status.reason = entry.reason;
    status.changed_at = entry.changed_at;
    status.is_default = entry.name == default_name;
    status.lease = entry.lease;
    if (!entry.lease) return status;
    const LiveVersion& live = Live(entry.lease);
    status.batchable = live.batchable;
    status.batchable_reason = live.batchable ? "" : live.proof.reason;
    status.invariance = live.invariance;
    status.compared_rows = live.proof.compared_rows;
    status.invariance_enforced = live.config.batch_invariant;
    status.file_bytes = live.file_bytes;
    status.request_count = live.requests.value();
    status.error_count = live.errors.value();
    status.breaker = live.breaker.Snapshot(clock_.Now());
    status.batcher = live.batcher->Snapshot();
    status.latency = live.latency.Snapshot();
    status.pictures = live.pictures.value();
    status.pictures_refused = live.pictures_refused.value();
    return status;
  }

  const EngineOptions options_;
  model::ModelLoader& loader_;
  base::Clock& clock_;
  std::unique_ptr<batching::Device> device_;
  ImagePool images_;
  registry::Reaper reaper_;  // destroyed after the registry has let go of its leases
  registry::Registry registry_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> draining_{false};  // ready says no
  std::atomic<bool> refusing_{false};  // requests are refused
};

}  // namespace

Status EngineOptions::Validate() const {
  if (cores < 1) return InvalidArgument("`cores` expects 1 or more, got " + std::to_string(cores));
  if (default_timeout.count() < 1 || default_timeout > max_timeout) {
    return InvalidArgument("`default_timeout` expects 1 ms up to `max_timeout`");
  }
  return {};
}

base::Result<std::unique_ptr<LocalEngine>> LocalEngine::Create(const EngineOptions& options,
                                                               model::ModelLoader& loader,
                                                               base::Clock& clock) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  return std::unique_ptr<LocalEngine>(std::make_unique<LocalEngineImpl>(options, loader, clock));
}

}  // namespace muster::engine
