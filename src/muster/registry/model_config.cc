#include "muster/registry/model_config.h"

#include <array>
#include <cmath>
#include <string_view>

#include <yaml-cpp/yaml.h>

#include "muster/base/text.h"
#include "muster/registry/internal/image_config.h"
#include "muster/registry/internal/yaml_fields.h"

namespace muster::registry {
namespace {

using base::InvalidArgument;
using base::Status;
using internal::ReadScalar;
using internal::ReadStrings;
using internal::Where;

constexpr std::array<std::string_view, 13> kKeys = {
    "description",     "labels",         "feature_names", "policy",    "batchable",
    "batch_invariant", "max_batch_size", "max_wait_ms",   "instances", "threads",
    "executor",        "max_queue_rows", "image"};

// Each size from 1 to 256 takes 33 thousand rows, seconds even for a model of 0.1 ms a row.
constexpr std::int64_t kMaxInvariantBatchSize = 256;

Status ReadKey(const std::string& key, const YAML::Node& node, const std::string& where,
               ModelConfig& config) {
  if (key == "image") return internal::ReadImage(node, where, config.image.emplace());
  if (key == "description") return ReadScalar(node, where, key, "a text", config.description);
  if (key == "labels") return ReadStrings(node, where, key, config.labels);
  if (key == "feature_names") return ReadStrings(node, where, key, config.feature_names);
  if (key == "policy") return ReadScalar(node, where, key, "a policy name", config.policy);
  if (key == "batchable") {
    bool value = false;
    MUSTER_RETURN_IF_ERROR(ReadScalar(node, where, key, "true or false", value));
    config.batchable = value;
    return {};
  }
  if (key == "batch_invariant") {
    return ReadScalar(node, where, key, "true or false", config.batch_invariant);
  }
  if (key == "max_batch_size") {
    return ReadScalar(node, where, key, "a whole number", config.max_batch_size);
  }
  if (key == "max_wait_ms") return ReadScalar(node, where, key, "a number", config.max_wait_ms);
  if (key == "instances") return ReadScalar(node, where, key, "a whole number", config.instances);
  if (key == "threads") return ReadScalar(node, where, key, "a whole number", config.threads);
  if (key == "executor") return ReadScalar(node, where, key, "auto or threads", config.executor);
  if (key == "max_queue_rows") {
    return ReadScalar(node, where, key, "a whole number", config.max_queue_rows);
  }
  return internal::UnknownKey(key, where, kKeys);
}

}  // namespace

Status ModelConfig::Validate() const {
  if (policy != "adaptive" && policy != "window" && policy != "aimd" && policy != "none") {
    return InvalidArgument("`policy` expects adaptive, window, aimd or none, got `" +
                           base::Printable(policy) + "`");
  }
  if (max_batch_size < 1 || max_batch_size > 65'536) {
    return InvalidArgument("`max_batch_size` expects 1 to 65536, got " +
                           std::to_string(max_batch_size));
  }
  if (batch_invariant && max_batch_size > kMaxInvariantBatchSize) {
    return InvalidArgument("`batch_invariant` tries every size of a run, so `max_batch_size` " +
                           ("expects at most " + std::to_string(kMaxInvariantBatchSize)) +
                           " with it, got " + std::to_string(max_batch_size));
  }
  if (!std::isfinite(max_wait_ms) || max_wait_ms < 0 || max_wait_ms > 60'000) {
    return InvalidArgument("`max_wait_ms` expects 0 to 60000");
  }
  if (instances < 0 || instances > 1024) {
    return InvalidArgument("`instances` expects 0 (one per core) to 1024, got " +
                           std::to_string(instances));
  }
  if (threads < 1 || threads > 1024) {
    return InvalidArgument("`threads` expects 1 to 1024, got " + std::to_string(threads));
  }
  if (executor != "auto" && executor != "threads") {
    return InvalidArgument("`executor` expects auto or threads, got `" + base::Printable(executor) +
                           "`");
  }
  if (image) MUSTER_RETURN_IF_ERROR(image->Validate());
  if (max_queue_rows < 0) {
    return InvalidArgument("`max_queue_rows` expects 0 (automatic) or more, got " +
                           std::to_string(max_queue_rows));
  }
  return {};
}

base::Result<ModelConfig> ParseModelConfig(const std::string& yaml, const std::string& name) {
  ModelConfig config;
  try {
    const YAML::Node root = YAML::Load(yaml);
    if (root.IsNull()) return config;
    if (!root.IsMap()) return InvalidArgument(name + ": expected a mapping of keys to values");
    std::vector<std::string> seen;
    for (const auto& entry : root) {
      const std::string key = entry.first.Scalar();
      const std::string where = Where(name, entry.first);
      for (const std::string& other : seen) {
        if (other == key) return InvalidArgument(where + ": `" + key + "` is given twice");
      }
      seen.push_back(key);
      MUSTER_RETURN_IF_ERROR(ReadKey(key, entry.second, where, config));
    }
    if (config.policy == "aimd" && !root["max_wait_ms"]) config.max_wait_ms = 100;
  } catch (const YAML::Exception& e) {
    return InvalidArgument(name + " line " + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
  MUSTER_RETURN_IF_ERROR(config.Validate().WithContext(name));
  return config;
}

}  // namespace muster::registry
