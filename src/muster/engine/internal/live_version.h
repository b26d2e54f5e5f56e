#pragma once

#include <atomic>
#include <memory>

#include "muster/batching/batcher.h"
#include "muster/batching/proof.h"
#include "muster/engine/engine.h"
#include "muster/model/model.h"
#include "muster/registry/model_config.h"
#include "muster/telemetry/counter.h"
#include "muster/telemetry/histogram.h"

namespace muster::engine {

/// What a lease points to: the loaded model, its batcher and its counters. Destroying it drains the
/// batcher, so it happens on the reaper's thread.
class LiveVersion : public registry::ServedVersion {
 public:
  ~LiveVersion() override { batcher.reset(); }

  std::unique_ptr<model::Model> model;
  batching::BatchingProof proof;
  bool batchable = false;
  batching::BatchInvariance invariance = batching::BatchInvariance::kNone;
  std::uint64_t file_bytes = 0;
  telemetry::Counter requests;
  telemetry::Counter errors;
  telemetry::Histogram latency;
  std::atomic<bool> warm{false};
  std::unique_ptr<batching::Batcher> batcher;  // last: it uses the model
};

/// Reads, proves and starts one version. Blocks. Errors: those of the loader and the configuration.
base::Result<std::unique_ptr<LiveVersion>> StartVersion(const registry::ModelConfig& config,
                                                        const model::ModelSource& source,
                                                        model::ModelLoader& loader,
                                                        batching::Device& device, int cores,
                                                        base::Clock& clock);

}  // namespace muster::engine
