#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/image_options.h"

namespace muster::registry {

/// What a model's `muster.yaml` may say; every key is optional and has the name of its field.
struct ModelConfig {
  std::string description;
  std::vector<std::string> labels;         ///< class labels in the order of the probabilities
  std::vector<std::string> feature_names;  ///< of a single input's row, for named features
  std::string policy = "adaptive";         ///< adaptive | window | aimd | none
  std::optional<bool> batchable;           ///< overrides the proof before batching
  /// A row gets the same bits whatever the load, or the model is not loaded.
  bool batch_invariant = false;
  std::int64_t max_batch_size = 64;  ///< rows per run
  double max_wait_ms = 5;            ///< window, aimd only; 100 where aimd is asked for without
  int instances = 0;                 ///< 0: one per core
  int threads = 1;                   ///< of one instance
  std::string executor = "auto";     ///< auto | threads
  std::int64_t max_queue_rows = 0;   ///< 0: 2 × max_batch_size × instances, ≥ 4096

  std::optional<model::ImageOptions> image;  ///< none: the model takes no pictures

  base::Status Validate() const;
  bool operator==(const ModelConfig&) const = default;
};

/// Parses the text of a muster.yaml. Errors: INVALID_ARGUMENT with line and the nearest known key
/// or the values expected; `name` says whose file it is.
base::Result<ModelConfig> ParseModelConfig(const std::string& yaml, const std::string& name);

}  // namespace muster::registry
