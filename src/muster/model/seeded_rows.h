#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::model {

/// What values to make up: different models refuse different ones (an index beyond a table, an
/// unknown word).
enum class RowStyle : std::uint8_t {
  kVaried,  ///< ±2 for floating point, 0…9 for integers, words of one to four letters
  kBinary,  ///< 0 and 1 of every type, "0" and "1"
};

/// One made-up row, [1, …] per input, dynamic extents being `extent`. Errors: INVALID_ARGUMENT
/// where the model's extents make no shape of ours. Throws std::bad_alloc.
base::Result<std::vector<tensor::Tensor>> MakeRow(const ModelSpec& spec, RowStyle style,
                                                  std::int64_t extent, std::mt19937_64& random);
/// Whether a row has extents that the model leaves open.
bool HasDynamicRowDims(const ModelSpec& spec);

/// Single rows one after another as one [n, …] per input.
std::vector<tensor::Tensor> StackRows(std::span<const std::vector<tensor::Tensor>* const> rows);

}  // namespace muster::model
