#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "muster/batching/batcher.h"
#include "muster/batching/proof.h"
#include "muster/engine/engine.h"
#include "muster/features/image/image_plan.h"
#include "muster/model/model.h"
#include "muster/registry/circuit_breaker.h"
#include "muster/registry/model_config.h"
#include "muster/telemetry/counter.h"
#include "muster/telemetry/histogram.h"

namespace muster::engine {

/// What a lease points to: the loaded model, its batcher, its breaker and its counters. Destroying
/// it drains the batcher, so it happens on the reaper's thread.
class LiveVersion : public registry::ServedVersion {
 public:
  LiveVersion();
  ~LiveVersion() override;

  std::unique_ptr<model::Model> model;
  batching::BatchingProof proof;
  bool batchable = false;
  batching::BatchInvariance invariance = batching::BatchInvariance::kNone;
  std::uint64_t file_bytes = 0;
  telemetry::Counter requests;
  telemetry::Counter errors;
  telemetry::Histogram latency;
  std::atomic<bool> warm{false};
  std::optional<features::image::ImagePlan> image_plan;  ///< where it takes pictures
  batching::Device* image_device = nullptr;              ///< that has image_flow
  batching::Device::FlowId image_flow = 0;
  telemetry::Counter pictures;
  telemetry::Counter pictures_refused;
  registry::CircuitBreaker breaker;
  std::unique_ptr<batching::Batcher> batcher;  // last: it uses the model and the breaker
};

/// What the answer to a request that its version's breaker let pass says of the backend: it passed,
/// it failed, or, where nothing but the client or the queue is to blame, nothing.
registry::ProbeOutcome OutcomeOf(const base::Result<batching::WorkResult>& work);

/// Reads, proves and starts one version. Blocks. Errors: those of the loader and the configuration.
base::Result<std::unique_ptr<LiveVersion>> StartVersion(const registry::ModelConfig& config,
                                                        const model::ModelSource& source,
                                                        model::ModelLoader& loader,
                                                        batching::Device& device, int cores,
                                                        base::Clock& clock);

}  // namespace muster::engine
