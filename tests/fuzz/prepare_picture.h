#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "muster/features/image/picture.h"

namespace muster::fuzz {

/// Decodes `file`, said to be of `format`, and makes a row of it for one of several small models:
/// which, the size of the file says. Aborts where a decoded picture is not what is promised, where
/// a row is not finite, or where the same file gives another row the second time.
void PreparePicture(std::span<const std::byte> file, features::image::Format format);

/// A copy that takes exactly its size, so that the sanitizer sees every read behind its end.
inline std::vector<std::uint8_t> Copy(const std::uint8_t* data, std::size_t size) {
  return std::vector<std::uint8_t>(data, data + size);
}

}  // namespace muster::fuzz
