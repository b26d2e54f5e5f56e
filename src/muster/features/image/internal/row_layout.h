#pragma once

#include <cstdint>

#include "muster/base/result.h"
#include "muster/model/image_options.h"
#include "muster/model/spec.h"
#include "muster/tensor/shape.h"

namespace muster::features::image::internal {

/// What a model's input says of the pictures that become its rows.
struct RowLayout {
  tensor::DType dtype = tensor::DType::kFp32;
  tensor::Shape shape{1};  ///< [1, …] of one row
  std::int64_t height = 0;
  std::int64_t width = 0;
  int channels = 3;
  bool nchw = true;  ///< channels before pixels
};

/// Reads it from the model's only input and, where that leaves something open, from the options.
/// Errors: INVALID_ARGUMENT, naming the input and why it takes no pictures.
base::Result<RowLayout> ReadRowLayout(const model::ImageOptions& options,
                                      const model::ModelSpec& spec);

}  // namespace muster::features::image::internal
