#pragma once

#include <string>

#include "apps/muster/options.h"

namespace muster::app {

// Each command returns the process's exit code: 0 done, 1 failed, 2 wrong usage.

/// Serves options.models until SIGINT or SIGTERM, then drains.
int Serve(const Options& options);
/// Prints the models below options.models with inputs, outputs and sizes.
int Models(const Options& options);
/// Predicts `input` (a JSON body, or "-" for standard input) with one model in this process.
int Predict(const Options& options, const std::string& model, const std::string& input);

}  // namespace muster::app
