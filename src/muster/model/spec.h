#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/tensor/tensor.h"

namespace muster::model {

/// One axis: a fixed extent, or kDynamic with the model's own name for it ("N", "batch", or "").
struct Dim {
  static constexpr std::int64_t kDynamic = -1;
  std::int64_t size = kDynamic;
  std::string symbol = {};
  bool dynamic() const { return size == kDynamic; }
};

/// What a model says about one input or output.
struct TensorSpec {
  std::string name;
  tensor::DType dtype = tensor::DType::kFp32;
  std::vector<Dim> dims;  // batch axis included
  /// "FP32 [N, 3, 224, 224]"; an unnamed dynamic axis is "?".
  std::string ToString() const;
};

/// What axis 0 of every input is.
enum class BatchAxis : std::uint8_t {
  kDynamic,  ///< any number of rows
  kFixed,    ///< always `fixed_batch` rows
  kNone,     ///< inputs disagree or have rank 0: the whole tensor is one row, and a run takes one
};

/// A model's interface, as read from it when it was loaded.
struct ModelSpec {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  BatchAxis batch_axis = BatchAxis::kNone;
  std::int64_t fixed_batch = 0;  // rows per run where batch_axis is kFixed
  /// Class labels in the order of the probabilities' last axis, where the model carries them
  /// (the keys of a scikit-learn converter's zipmap); a configuration may replace them.
  std::vector<std::string> labels;
  std::string producer;     // e.g. "skl2onnx"
  std::string description;  // the model's own
  std::string format;       // "onnx", "fake"

  /// Index of an input or output, or -1.
  int FindInput(std::string_view name) const;
  int FindOutput(std::string_view name) const;
};

/// Fills batch_axis and fixed_batch from the inputs' dims: kDynamic if axis 0 of all is dynamic,
/// kFixed if axis 0 of all is the same number, else kNone.
void DeriveBatchAxis(ModelSpec& spec);

/// Dims of one row of `spec`: without axis 0, unless the model has no batch axis.
std::span<const Dim> RowDims(const ModelSpec& model, const TensorSpec& spec);

/// Whether `value` ([rows, …] of the row dims) fits `spec`, else what was expected and what came.
/// Errors: INVALID_ARGUMENT "TYPE" or "SHAPE", naming the tensor.
base::Status CheckInput(const ModelSpec& model, const TensorSpec& spec,
                        const tensor::Tensor& value);

}  // namespace muster::model
