#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "muster/base/result.h"
#include "muster/features/image/picture.h"

namespace muster::features::image {

/// What a picture may cost; looked at in its header, before memory is taken.
struct DecodeLimits {
  std::int64_t max_pixels = 50'000'000;  ///< width × height as encoded
  std::int64_t max_side = 32'768;
  int max_scans = 32;  ///< of a progressive JPEG, each of which goes over all pixels
};

/// What a picture is decoded for.
struct DecodeFor {
  /// A JPEG may be decoded to a half, a quarter or an eighth, but to no less than so many pixels
  /// either way, as the viewer sees it; 0: never.
  std::int64_t min_width = 0;
  std::int64_t min_height = 0;
  std::optional<Format> format = {};  ///< which it is said to be
};

/// By the first bytes; none for anything else.
std::optional<Format> SniffFormat(std::span<const std::byte> bytes);

/// Decodes one still picture into `out`, turned as its EXIF orientation says: JPEG (grey, YCbCr,
/// RGB, CMYK, YCCK; baseline and progressive), PNG (every colour type and depth; 16 bits are cut to
/// the upper 8), WebP (lossy, lossless, alpha; of an animation the first frame). Colour profiles
/// and gamma are not applied. Values are those of libjpeg-turbo's accurate DCT and smooth
/// upsampling, libpng and libwebp. Stateless but for `out` and `scratch`; for untrusted bytes.
/// Errors: INVALID_ARGUMENT "IMAGE_FORMAT" (none of the three, or not `format`), "IMAGE_SIZE" (over
/// a limit), "IMAGE_TRUNCATED", "IMAGE_DATA" (broken).
base::Status Decode(std::span<const std::byte> bytes, const DecodeFor& wanted,
                    const DecodeLimits& limits, Picture& out, Picture& scratch);

}  // namespace muster::features::image
