#pragma once

#include <string>

#include "apps/muster/options.h"

#include "muster/registry/repository.h"

namespace muster::app {

/// The one model below options.models, for commands that measure one. Errors: NOT_FOUND and those
/// of the model itself; INVALID_ARGUMENT naming the models where there are several, or none was
/// given.
base::Result<registry::ModelFolder> FindOne(const Options& options);

/// Its highest version.
const registry::VersionFile& NewestOf(const registry::ModelFolder& folder);

/// Writes `text` to `file`. Errors: UNAVAILABLE saying why not.
base::Status WriteText(const std::string& file, const std::string& text);

}  // namespace muster::app
