#pragma once

#include "muster/tensor/tensor.h"

namespace muster::model {

/// How alike two tensors of one dtype and shape are.
struct Agreement {
  bool agree = true;      ///< within tolerance
  bool identical = true;  ///< to the bit
};

/// Floating point agrees within |a − b| ≤ 1e-5 + 1e-4·|b|; half precision and bfloat16, whose steps
/// are coarser than that, within two steps (2⁻⁹·|b| and 2⁻⁶·|b| instead of 1e-4·|b|). NaN agrees
/// with NaN. All else, strings included, exactly.
Agreement Compare(const tensor::Tensor& a, const tensor::Tensor& b);
/// To the bit, NaN and the sign of zero included; false for other dtypes or shapes.
bool Identical(const tensor::Tensor& a, const tensor::Tensor& b);

}  // namespace muster::model
