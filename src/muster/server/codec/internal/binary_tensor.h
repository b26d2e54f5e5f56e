#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// Models take every other byte than 0 and 1 for undefined behaviour. Errors: OUT_OF_RANGE.
base::Status CheckBools(std::span<const std::byte> bytes, const std::string& input);

/// `size` bytes of `body` from `offset` on, which it has, as a tensor of `input`: little-endian,
/// row-major; strings each after its length in four bytes. Shares `body` where the bytes are
/// aligned, else copies them. Errors: "BINARY", TOO_MANY_VALUES (strings), those of CheckBools.
base::Result<tensor::Tensor> ReadBinaryTensor(const model::TensorSpec& input,
                                              const tensor::Shape& shape,
                                              const tensor::BufferRef& body, std::size_t offset,
                                              std::size_t size);

/// What AppendBinaryTensor appends. Errors: BACKEND_INVALID for a string of 4 GiB or more.
base::Result<std::size_t> BinarySize(const tensor::Tensor& t);
void AppendBinaryTensor(std::string& out, const tensor::Tensor& t);

}  // namespace muster::server::codec::internal
