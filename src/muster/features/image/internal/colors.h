#pragma once

#include <array>
#include <cstdint>

#include "muster/features/image/picture.h"

namespace muster::features::image::internal {

/// In place: what is transparent over `background`, rounded as Pillow blends.
void Compose(Picture& picture, const std::array<std::uint8_t, 3>& background);

/// ITU-R BT.601 luma in 16 bits, as Pillow's "L".
inline std::uint8_t Grey(const std::array<std::uint8_t, 3>& color) {
  return static_cast<std::uint8_t>(
      (color[0] * 19595u + color[1] * 38470u + color[2] * 7471u + 0x8000u) >> 16);
}

/// In place, four channels to one.
void ToGrey(Picture& picture);

/// Of the outermost pixels' samples, alpha apart: 0 to 255.
double BorderMean(const Picture& picture);

/// A grey picture cut to the smallest box around what is brighter than a quarter of the range
/// (darker than three quarters, if `inverted`), into `out`; false where that is all of it or
/// nothing.
bool Trim(const Picture& picture, bool inverted, Picture& out);

}  // namespace muster::features::image::internal
