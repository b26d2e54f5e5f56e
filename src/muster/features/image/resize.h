#pragma once

#include <cstdint>
#include <vector>

#include "muster/features/image/picture.h"
#include "muster/model/image_options.h"

namespace muster::features::image {

/// Part of a scaled picture, in its pixels.
struct Window {
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::int64_t width = 0;
  std::int64_t height = 0;
};

/// Memory that resizing keeps from one picture to the next.
struct ResizeScratch {
  struct Taps {
    std::vector<std::int32_t> weights;  // [outputs, per_output] in 2^-22
    std::vector<std::int32_t> first;    // input of an output's first weight
    std::vector<std::int32_t> count;
    std::int64_t per_output = 0;
  };
  Taps across;
  Taps down;
  Picture rows;
};

/// Scales `from` to width × height and writes the `window` of that into `out` (channels as in
/// `from`). Convolution with a filter widened by the scale, first across and then down, with the
/// 22-bit weights and roundings of Pillow's Image.resize (libImaging/Resample.c): equal to it bit
/// by bit, with whatever instructions it is computed. `from` and `out` are not the same.
void Resize(const Picture& from, std::int64_t width, std::int64_t height,
            model::ImageOptions::Filter filter, const Window& window, Picture& out,
            ResizeScratch& scratch);

}  // namespace muster::features::image
