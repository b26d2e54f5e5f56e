#pragma once

#include "muster/server/codec/internal/json_reader.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// Reads all elements of a tensor from `data`: lists nested exactly as `shape` is, or one flat list
/// in row-major order. `data` must be untouched. Errors: TYPE (16-bit floats too, which JSON does
/// not carry), OUT_OF_RANGE, SHAPE; TOO_MANY_VALUES (strings); JSON.
base::Result<tensor::Tensor> ReadTensorData(const JsonReader& reader, od::value data,
                                            tensor::DType dtype, const tensor::Shape& shape,
                                            const Path& path);

}  // namespace muster::server::codec::internal
