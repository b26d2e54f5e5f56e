#include "muster/engine/internal/live_version.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <system_error>

#include "muster/telemetry/log.h"

namespace muster::engine {
namespace {

batching::BatcherOptions OptionsFor(const LiveVersion& live) {
  const registry::ModelConfig& config = live.config;
  batching::BatcherOptions options;
  // The names were checked with the configuration.
  options.policy.kind = batching::ParsePolicyKind(config.policy).value();
  options.policy.max_wait =
      std::chrono::microseconds(static_cast<std::int64_t>(config.max_wait_ms * 1e3));
  options.policy.max_batch_size = live.batchable ? config.max_batch_size : 1;
  if (live.batchable && live.spec.batch_axis == model::BatchAxis::kFixed) {
    options.policy.max_batch_size = std::min(config.max_batch_size, live.spec.fixed_batch);
  }
  if (config.batch_invariant) {
    options.form.aligned = true;
    if (live.invariance == batching::BatchInvariance::kAtLeastTwo) options.form.min_rows = 2;
  }
  options.instances = config.instances;
  options.threads_per_instance = config.threads;
  options.executor = batching::ParseExecutorKind(config.executor).value();
  options.max_queue_rows = config.max_queue_rows;
  if (options.max_queue_rows == 0) {
    // Two batches ahead of every instance, but never so few that some thousand clients with one
    // request each are refused: what would wait too long is refused by its deadline instead.
    constexpr std::int64_t kLeast = 4096;
    options.max_queue_rows = std::max(kLeast, 2 * config.max_batch_size * options.instances);
  }
  return options;
}

/// Labels that fit no output are a mistake to name now, not at the first answer.
base::Status CheckLabels(const LiveVersion& live) {
  if (live.layout.probabilities < 0) return {};
  const auto& output = live.spec.outputs[static_cast<std::size_t>(live.layout.probabilities)];
  const auto dims = model::RowDims(live.spec, output);
  const std::int64_t k = dims.empty() ? 1 : dims.back().size;
  const auto labels = static_cast<std::int64_t>(live.spec.labels.size());
  if (labels == 0 || k < 0 || k == labels) return {};
  return base::InvalidArgument("`labels` has " + std::to_string(labels) + " entries, but output `" +
                               output.name + "` has " + std::to_string(k) + " classes");
}

base::Status CheckFeatureNames(const LiveVersion& live) {
  const auto& names = live.config.feature_names;
  if (names.empty()) return {};
  if (live.spec.inputs.size() != 1) {
    return base::InvalidArgument("`feature_names` is for models with one input; this one has " +
                                 std::to_string(live.spec.inputs.size()));
  }
  const auto dims = model::RowDims(live.spec, live.spec.inputs[0]);
  if (dims.size() == 1 && !dims[0].dynamic() &&
      dims[0].size != static_cast<std::int64_t>(names.size())) {
    return base::InvalidArgument("`feature_names` has " + std::to_string(names.size()) +
                                 " entries, but input `" + live.spec.inputs[0].name + "` takes " +
                                 std::to_string(dims[0].size));
  }
  return {};
}

batching::BatchingProof Prove(const LiveVersion& live, model::Instance& instance) {
  const registry::ModelConfig& config = live.config;
  const bool may_share = config.batchable.value_or(true) && config.max_batch_size > 1;
  return batching::ProveBatching(
      live.spec, instance,
      {.max_batch_size = config.max_batch_size, .every_size = config.batch_invariant && may_share});
}

batching::BatchInvariance InvarianceOf(const LiveVersion& live) {
  // Also where a fixed number of rows is filled up: always the same place among copies of the row.
  const bool one_row_runs = !live.batchable || live.config.max_batch_size == 1;
  return one_row_runs ? batching::BatchInvariance::kOneRowRuns : live.proof.invariance;
}

base::Status CheckInvariance(const LiveVersion& live) {
  if (!live.config.batch_invariant || live.invariance != batching::BatchInvariance::kNone) {
    return {};
  }
  const std::string& why =
      live.proof.difference.empty() ? live.proof.reason : live.proof.difference;
  return base::FailedPrecondition("`batch_invariant` cannot be kept: " + why +
                                  "; `max_batch_size: 1` would keep it");
}

std::uint64_t FileBytes(const model::ModelSource& source) {
  if (source.path.empty()) return source.bytes.size();
  std::error_code error;
  const auto bytes = std::filesystem::file_size(source.path, error);
  return error ? 0 : bytes;
}

void LogTransition(const LiveVersion& live, const registry::BreakerTransition& transition) {
  const bool opened = transition.to == registry::BreakerState::kOpen;
  telemetry::Log(opened ? telemetry::LogLevel::kWarning : telemetry::LogLevel::kInfo,
                 opened ? "model fails, requests are refused" : "breaker of model changed",
                 {{"model", live.name},
                  {"version", live.version},
                  {"from", std::string(registry::BreakerStateName(transition.from))},
                  {"to", std::string(registry::BreakerStateName(transition.to))},
                  {"retry_after_ms", std::to_string(transition.retry_after.count())}});
}

}  // namespace

// Seeded by chance: replicas whose backends failed together shall not probe together.
LiveVersion::LiveVersion()
    : breaker({}, std::random_device{}(),
              [this](const registry::BreakerTransition& change) { LogTransition(*this, change); }) {
}

LiveVersion::~LiveVersion() {
  batcher.reset();
  if (image_device != nullptr) image_device->RemoveFlow(image_flow);
}

registry::ProbeOutcome OutcomeOf(const base::Result<batching::WorkResult>& work) {
  using registry::ProbeOutcome;
  // As a whole, requests are only refused, expired or cancelled; what a run fails has row errors.
  if (!work) return ProbeOutcome::kNothing;
  for (const batching::RowError& row : work->errors) {
    if (row.error.code != base::Code::kInvalidArgument) return ProbeOutcome::kFailed;
  }
  return work->errors.empty() ? ProbeOutcome::kPassed : ProbeOutcome::kNothing;
}

base::Result<std::unique_ptr<LiveVersion>> StartVersion(const registry::ModelConfig& config,
                                                        const model::ModelSource& source,
                                                        model::ModelLoader& loader,
                                                        batching::Device& device, int cores,
                                                        base::Clock& clock) {
  MUSTER_RETURN_IF_ERROR(config.Validate());
  auto live = std::make_unique<LiveVersion>();
  live->config = config;
  live->file_bytes = FileBytes(source);
  MUSTER_ASSIGN_OR_RETURN(live->model, loader.Load(source, {.threads = config.threads}));
  live->spec = live->model->spec();
  if (!config.labels.empty()) live->spec.labels = config.labels;
  live->layout = model::DeriveLayout(live->spec);
  if (config.image) {
    MUSTER_ASSIGN_OR_RETURN(live->image_plan,
                            features::image::ImagePlan::Make(*config.image, live->spec));
    live->layout.scores = live->image_plan->output();
    live->image_flow = device.AddFlow("pictures");
    live->image_device = &device;
  }
  MUSTER_RETURN_IF_ERROR(CheckLabels(*live));
  MUSTER_RETURN_IF_ERROR(CheckFeatureNames(*live));
  {
    MUSTER_ASSIGN_OR_RETURN(auto instance, live->model->NewInstance({.threads = config.threads}));
    live->proof = Prove(*live, *instance);
  }
  live->batchable = config.batchable.value_or(live->proof.batchable) &&
                    live->spec.batch_axis != model::BatchAxis::kNone;
  live->invariance = InvarianceOf(*live);
  MUSTER_RETURN_IF_ERROR(CheckInvariance(*live));
  if (live->config.instances == 0) live->config.instances = cores;
  batching::BatcherOptions options = OptionsFor(*live);
  options.on_batch = [&breaker = live->breaker](bool succeeded, base::TimePoint now) {
    breaker.OnRun(succeeded, now);
  };
  MUSTER_ASSIGN_OR_RETURN(live->batcher, batching::Batcher::Create(*live->model, live->proof.probe,
                                                                   options, device, clock));
  return live;
}

}  // namespace muster::engine
