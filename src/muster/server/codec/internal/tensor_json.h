#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// Elements of `t` from `offset` on as lists nested by `dims`. True if one was not finite.
bool AppendElements(std::string& out, const tensor::Tensor& t, std::int64_t offset,
                    std::span<const std::int64_t> dims);

/// One row (along axis 0) of `t`: a scalar where rows have no axes.
bool AppendRow(std::string& out, const tensor::Tensor& t, std::int64_t row);

/// A floating-point element, whatever its width. The tensor must be of one.
double FloatAt(const tensor::Tensor& t, std::int64_t offset);
bool IsFloat(tensor::DType dtype);
/// An integer or bool element, or none for other types.
bool IntegerAt(const tensor::Tensor& t, std::int64_t offset, std::int64_t& value);

}  // namespace muster::server::codec::internal
