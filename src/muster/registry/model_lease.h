#pragma once

#include <memory>
#include <string>

#include "muster/model/layout.h"
#include "muster/model/spec.h"
#include "muster/registry/model_config.h"

namespace muster::registry {

/// A loaded version of a model, as everyone who holds a lease on it sees it. What serves it (the
/// batcher and its instances) is the engine's and derives from this.
class ServedVersion {
 public:
  virtual ~ServedVersion() = default;
  std::string name;
  std::string version;
  /// Labels are the configuration's where it has any.
  model::ModelSpec spec;
  model::PredictionLayout layout;
  ModelConfig config;  ///< what was left automatic is filled in
};

/// Keeps a version alive for as long as a request needs it: a reload swaps what new requests get
/// and takes nothing away from those that run. The last release does not destroy the version on the
/// releasing thread (an I/O thread must not join executors): see Reaper.
using ModelLease = std::shared_ptr<ServedVersion>;

}  // namespace muster::registry
