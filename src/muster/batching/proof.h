#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::batching {

/// What trying a model before it is served showed about batching it.
struct BatchingProof {
  /// Rows of different requests may share a run.
  bool batchable = false;
  /// Why not, naming the output that differs; empty when batchable.
  std::string reason;
  /// One row of inputs that the model accepts; empty if none was found.
  std::vector<tensor::Tensor> probe;
  /// One row's bits are the same at every batch size and position tried.
  bool bit_identical = false;
};

/// A symbolic axis 0 does not prove that rows are independent: a softmax or mean over axis 0 mixes
/// clients' data and still answers. Runs seeded rows alone and among different neighbours (n = 2,
/// 3, 8; first, middle, last; ≤ 16 rows a run) and compares: outputs must have n rows and agree
/// within |a − b| ≤ 1e-5 + 1e-4·|b| for floating point, exactly otherwise. Dynamic axes besides the
/// batch are tried with extent 1 to 8 until a row is accepted. Blocks for the runs; deterministic.
/// A model whose probe row is refused in every form is not batchable, and not an error.
BatchingProof ProveBatching(const model::ModelSpec& spec, model::Instance& instance,
                            std::uint64_t seed = 1);

}  // namespace muster::batching
