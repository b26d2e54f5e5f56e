#pragma once

#include <memory>

#include "apps/muster/options.h"

#include "muster/backends/onnx/onnx_loader.h"
#include "muster/base/result.h"

namespace muster::app {

/// The loader that all commands share: the one place that names a concrete backend.
base::Result<std::unique_ptr<model::ModelLoader>> OpenLoader(const Options& options);

/// What the runtime says it is, for `muster version`; a text why not where it is absent.
std::string RuntimeVersion(const Options& options);

}  // namespace muster::app
