#pragma once

#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/registry/model_config.h"

namespace muster::registry {

struct VersionFile {
  std::string version;  ///< folder name, a number; "1" for a bare file
  std::string path;     ///< of the model file
};

/// One model found on disk. A config that cannot be read keeps its error here, so that the others
/// are served and this one is shown as failed.
struct ModelFolder {
  std::string name;
  std::vector<VersionFile> versions;  ///< by number, ascending
  ModelConfig config;
  base::Status status;
};

/// Finds models below `paths`, each either a model file (`iris.onnx`: the model's name is the
/// file's, its version "1"), a model folder (`<version>/model.onnx` and maybe muster.yaml), or a
/// repository of such folders. Hidden entries and folders without a version are passed over; a
/// folder that looks like a model but has none of its files, and a path that does not exist, are
/// reported through their status, so that the others can be served. Errors: NOT_FOUND for a folder
/// without models; INVALID_ARGUMENT for one name found twice or a name that is not
/// [A-Za-z0-9._-]{1,128}.
base::Result<std::vector<ModelFolder>> FindModels(const std::vector<std::string>& paths);

}  // namespace muster::registry
