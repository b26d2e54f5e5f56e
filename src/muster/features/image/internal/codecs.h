#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "muster/base/result.h"
#include "muster/features/image/decode.h"

namespace muster::features::image::internal {

/// EXIF orientation, 1 to 8 (CIPA DC-008 4.6.4 A); 1 is as stored.
using Orientation = int;

/// From a block of EXIF (TIFF) without the "Exif\0\0" before it; 1 where it says none or is broken.
Orientation ReadOrientation(std::span<const std::byte> tiff);
/// Whether rows become columns.
inline bool SwapsAxes(Orientation orientation) { return orientation >= 5; }

/// One each for a library: decode as stored, and say how it is to be turned.
base::Result<Orientation> DecodeJpeg(std::span<const std::byte> bytes, const DecodeFor& wanted,
                                     const DecodeLimits& limits, Picture& out);
base::Result<Orientation> DecodePng(std::span<const std::byte> bytes, const DecodeLimits& limits,
                                    Picture& out);
base::Result<Orientation> DecodeWebp(std::span<const std::byte> bytes, const DecodeLimits& limits,
                                     Picture& out);

/// Errors: IMAGE_SIZE, for no pixels too.
base::Status CheckSize(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);
base::Error Broken(Format format, std::string_view why);
base::Error Truncated(Format format);

inline std::span<const std::uint8_t> AsUnsigned(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace muster::features::image::internal
