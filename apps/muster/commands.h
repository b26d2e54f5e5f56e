#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/muster/options.h"

namespace muster::app {

// Each command returns the process's exit code: 0 done, 1 failed, 2 wrong usage.

/// Serves options.models until SIGINT or SIGTERM, then drains.
int Serve(const Options& options);
/// Prints the models below options.models with inputs, outputs and sizes.
int Models(const Options& options);
/// Predicts `input` (a JSON body, or "-" for standard input) with one model in this process.
int Predict(const Options& options, const std::string& model, const std::string& input);

struct BenchModelArguments {
  std::vector<std::int64_t> batch_sizes;  ///< empty: 1, 2, 4 … until more does not help
  std::vector<int> instances;             ///< empty: 1, and one per core
  std::vector<int> threads;               ///< empty: 1, and one per core
  double seconds = 1;                     ///< for each point
  std::string json;                       ///< files to write; empty: none
  std::string svg;
};
/// Measures the one model below options.models in a plain loop, at each batch size, number of
/// instances and number of threads.
int BenchModel(const Options& options, const BenchModelArguments& arguments);

struct TuneArguments {
  std::string slo;       ///< "20ms"
  double seconds = 0.5;  ///< for each point
  bool write = false;    ///< into the model's muster.yaml; else only say it
};
/// Finds instances, threads and max_batch_size of the one model below options.models.
int Tune(const Options& options, const TuneArguments& arguments);

struct BenchVariantsArguments {
  std::int64_t iterations = 100;
  std::int64_t batch_size = 1;
  std::string json;  ///< file to write; empty: none
};
/// Compares all models and versions below options.models on the same inputs.
int BenchVariants(const Options& options, const BenchVariantsArguments& arguments);

}  // namespace muster::app
