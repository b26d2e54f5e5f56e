#pragma once

#include <cstdint>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::model {

/// Whether what a run of `rows` rows gave is what the model promises: number of outputs, dtypes,
/// `rows` on axis 0 (no such axis where the model has no batch axis) and every fixed extent.
/// Errors: INTERNAL "BACKEND_INVALID", naming the output.
base::Status CheckOutputs(const ModelSpec& spec, const std::vector<tensor::Tensor>& outputs,
                          std::int64_t rows);

}  // namespace muster::model
