#include "muster/model/output_check.h"

#include <string>

namespace muster::model {
namespace {

base::Error Invalid(const TensorSpec& output, const std::string& what) {
  return base::Internal("the model's output \"" + output.name + "\" " + what, "BACKEND_INVALID");
}

// Axis 0 is rows and checked by itself, unless the whole tensor is one row. An export without
// shapes has no dims; then there is nothing to hold the output to.
bool HasPromisedDims(const TensorSpec& output, const tensor::Shape& shape, bool rows_first) {
  if (output.dims.empty()) return true;
  if (shape.rank() != static_cast<int>(output.dims.size())) return false;
  for (int axis = rows_first ? 1 : 0; axis < shape.rank(); ++axis) {
    const Dim& dim = output.dims[static_cast<std::size_t>(axis)];
    if (!dim.dynamic() && dim.size != shape[axis]) return false;
  }
  return true;
}

// An axis of one row is put before what a model without rows gives.
bool HasRoomForRows(const tensor::Shape& shape) { return shape.rank() < tensor::Shape::kMaxRank; }

// "" where the output is as promised.
std::string WhatIsWrong(const TensorSpec& promised, const tensor::Tensor& output, bool rows_first,
                        std::int64_t rows) {
  if (output.dtype() != promised.dtype) {
    return "is " + std::string(tensor::DTypeName(output.dtype())) + ", expected " +
           promised.ToString();
  }
  if (rows_first && (output.shape().rank() == 0 || output.rows() != rows)) {
    return "has shape " + output.shape().ToString() + " for a run of " + std::to_string(rows) +
           " rows";
  }
  if (!HasPromisedDims(promised, output.shape(), rows_first)) {
    return "has shape " + output.shape().ToString() + ", expected " + promised.ToString();
  }
  if (!rows_first && !HasRoomForRows(output.shape())) return "has too many axes";
  return {};
}

}  // namespace

base::Status CheckOutputs(const ModelSpec& spec, const std::vector<tensor::Tensor>& outputs,
                          std::int64_t rows) {
  if (outputs.size() != spec.outputs.size()) {
    return base::Internal("the model gave " + std::to_string(outputs.size()) +
                              " outputs, expected " + std::to_string(spec.outputs.size()),
                          "BACKEND_INVALID");
  }
  const bool rows_first = spec.batch_axis != BatchAxis::kNone;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string wrong = WhatIsWrong(spec.outputs[i], outputs[i], rows_first, rows);
    if (!wrong.empty()) return Invalid(spec.outputs[i], wrong);
  }
  return {};
}

}  // namespace muster::model
