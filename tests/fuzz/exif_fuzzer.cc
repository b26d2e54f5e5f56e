// The reader of EXIF, in a PNG of two pixels: libpng keeps the block in memory of exactly its size,
// where the sanitizer sees what is read behind it.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>
#include <zlib.h>

#include "muster/base/result.h"
#include "muster/features/image/decode.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

void AppendNumber(Bytes& out, std::size_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(number >> shift));
  }
}

void AppendChunk(Bytes& out, std::string_view type, std::span<const std::uint8_t> content) {
  AppendNumber(out, content.size());
  const std::size_t from = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), content.begin(), content.end());
  AppendNumber(out, crc32(0, &out[from], static_cast<uInt>(out.size() - from)));
}

Bytes Compressed(std::span<const std::uint8_t> bytes) {
  Bytes out(compressBound(bytes.size()));
  uLongf size = out.size();
  MUSTER_CHECK(compress(out.data(), &size, bytes.data(), bytes.size()) == Z_OK, "zlib");
  out.resize(size);
  return out;
}

/// A black pixel and, right of it, a white one.
Bytes TwoPixels(std::span<const std::uint8_t> exif) {
  constexpr std::array<std::uint8_t, 13> kHeader = {0, 0, 0, 2, 0, 0, 0, 1, 8, 0, 0, 0, 0};
  static const Bytes pixels = Compressed(std::array<std::uint8_t, 3>{0, 0, 255});
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  AppendChunk(out, "IHDR", kHeader);
  AppendChunk(out, "eXIf", exif);
  AppendChunk(out, "IDAT", pixels);
  AppendChunk(out, "IEND", {});
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster::features::image;
  const Bytes file = TwoPixels({data, size});
  Picture picture, other;
  const auto decoded = Decode(std::as_bytes(std::span(file)), {}, {}, picture, other);
  if (!decoded) return 0;  // libpng refuses some blocks itself
  MUSTER_CHECK(picture.width() + picture.height() == 3, "turned into another size");
  MUSTER_CHECK(picture.samples()[0] + picture.samples()[1] == 255, "turned into other pixels");
  return 0;
}
