#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/engine/engine.h"
#include "muster/model/model.h"
#include "muster/registry/repository.h"
#include "muster/telemetry/exposition.h"

namespace muster::engine {

struct EngineOptions {
  std::chrono::milliseconds default_timeout{30'000};  ///< of a request that names none
  std::chrono::milliseconds max_timeout{300'000};
  int cores = 1;  ///< run slots of the CPU device, and instances of a model that names none
  std::string default_model;
  features::image::DecodeLimits image_limits;
  base::Status Validate() const;
};

/// The Engine of this process: models loaded with one loader, each version with a batcher of its
/// own, all sharing one CPU device.
///
///   auto engine = LocalEngine::Create(options, loader, RealClock());
///   engine->Load(folder);        // blocks; a failure is kept and shown, not fatal
///   engine->SetReady();
///   engine->Predict(...);
///   engine->Drain();             // everything accepted is answered
class LocalEngine : public Engine {
 public:
  /// `loader` and `clock` outlive the engine. Errors: INVALID_ARGUMENT for the options.
  static base::Result<std::unique_ptr<LocalEngine>> Create(const EngineOptions& options,
                                                           model::ModelLoader& loader,
                                                           base::Clock& clock);
  /// Shows the versions of a model as LOADING until Load has been called for it, so that requests
  /// for it get "not ready" and not "unknown" meanwhile.
  virtual void Announce(const registry::ModelFolder& folder) = 0;
  /// Loads every version of a model: reads it, proves what may be batched, starts its instances.
  /// Blocks. A version that fails is kept as FAILED with its reason; the first reason is returned.
  virtual base::Status Load(const registry::ModelFolder& folder) = 0;
  /// All models that were to be loaded at start have been tried.
  virtual void SetReady() = 0;
  /// Ready becomes false; requests are still answered.
  virtual void SetDraining() = 0;
  /// Refuses new requests, answers all accepted ones, releases the models. Blocks; idempotent.
  virtual void Drain() = 0;
};

/// The engine's figures as metrics `muster_*`, one family each, labelled by model and version.
void Collect(const Engine& engine, telemetry::Exposition& page);

}  // namespace muster::engine
