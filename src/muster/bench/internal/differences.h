#pragma once

#include <string>
#include <vector>

#include "muster/bench/bare_inputs.h"
#include "muster/bench/variants.h"

namespace muster::bench {

/// Collects how far the answers of several models to the same inputs are apart. For one thread.
class Differences {
 public:
  /// Models of `spec`'s outputs under these names.
  Differences(const model::ModelSpec& spec, std::vector<std::string> names);

  /// The outputs of one run of each model, in the order of the names.
  void Add(const std::vector<Tensors>& answers);
  /// For each output the two models that are farthest apart; nothing before the first Add.
  std::vector<OutputDifference> Farthest() const;

 private:
  /// Two models, by their places among the names, and what is between them.
  struct Pair {
    std::size_t a = 0, b = 0;
    std::vector<OutputDifference> outputs;
  };

  std::vector<Pair> pairs_;
  bool any_ = false;
};

}  // namespace muster::bench
