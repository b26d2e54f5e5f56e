#pragma once

#include <string>

#include <yaml-cpp/yaml.h>

#include "muster/base/result.h"
#include "muster/model/image_options.h"

namespace muster::registry::internal {

/// The mapping below `image:`; nothing or an empty one leaves everything to the model. `where` is
/// the place of `image` itself. Errors: INVALID_ARGUMENT with line, key and what was expected.
base::Status ReadImage(const YAML::Node& node, const std::string& where, model::ImageOptions& out);

}  // namespace muster::registry::internal
