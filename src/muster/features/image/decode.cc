#include "muster/features/image/decode.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "muster/base/text.h"
#include "muster/features/image/internal/codecs.h"

namespace muster::features::image {
namespace internal {

base::Status CheckSize(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits) {
  const auto side = static_cast<std::uint64_t>(limits.max_side);
  const std::string size = std::to_string(width) + " × " + std::to_string(height);
  if (width == 0 || height == 0) {
    return base::InvalidArgument("the picture has no pixels: " + size, "IMAGE_SIZE");
  }
  if (width <= side && height <= side &&
      width * height <= static_cast<std::uint64_t>(limits.max_pixels)) {
    return {};
  }
  return base::InvalidArgument("the picture has " + size + " pixels; at most " +
                                   std::to_string(limits.max_pixels) + ", and " +
                                   std::to_string(limits.max_side) + " on a side, are allowed",
                               "IMAGE_SIZE");
}

base::Error Broken(Format format, std::string_view why) {
  return base::InvalidArgument(
      "broken " + std::string(FormatName(format)) + ": " + base::Printable(why, 128), "IMAGE_DATA");
}

base::Error Truncated(Format format) {
  return base::InvalidArgument(
      "the " + std::string(FormatName(format)) + " ends before all of its pixels are there",
      "IMAGE_TRUNCATED");
}

}  // namespace internal

namespace {

using internal::Orientation;

struct Pixel1 {
  std::uint8_t bytes[1];
};
struct Pixel4 {
  std::uint8_t bytes[4];
};

/// Pixel (x, y) of the picture as seen is the stored one at origin + x · right + y · down.
struct Walk {
  std::int64_t origin, right, down;
};

Walk WalkFor(Orientation orientation, std::int64_t width, std::int64_t height) {
  const std::int64_t last_column = width - 1;
  const std::int64_t last_row = (height - 1) * width;
  switch (orientation) {
    case 2:
      return {last_column, -1, width};
    case 3:
      return {last_row + last_column, -1, -width};
    case 4:
      return {last_row, 1, -width};
    case 5:
      return {0, width, 1};
    case 6:
      return {last_row, -width, 1};
    case 7:
      return {last_row + last_column, -width, -1};
    case 8:
      return {last_column, width, -1};
    default:
      return {0, 1, width};
  }
}

template <class Pixel>
void Turn(const Picture& from, const Walk& walk, Picture& to) {
  const auto* const source = reinterpret_cast<const Pixel*>(from.row(0));
  auto* target = reinterpret_cast<Pixel*>(to.row(0));
  for (std::int64_t y = 0; y < to.height(); ++y) {
    const Pixel* pixel = source + walk.origin + y * walk.down;
    for (std::int64_t x = 0; x < to.width(); ++x) target[x] = pixel[x * walk.right];
    target += to.width();
  }
}

void Upright(Picture& picture, Orientation orientation, Picture& scratch) {
  if (orientation == 1) return;
  const bool swaps = internal::SwapsAxes(orientation);
  scratch.Reset(swaps ? picture.height() : picture.width(),
                swaps ? picture.width() : picture.height(), picture.channels());
  scratch.has_alpha = picture.has_alpha;
  const Walk walk = WalkFor(orientation, picture.width(), picture.height());
  picture.channels() == 1 ? Turn<Pixel1>(picture, walk, scratch)
                          : Turn<Pixel4>(picture, walk, scratch);
  std::swap(picture, scratch);
}

bool StartsWith(std::span<const std::byte> bytes, std::string_view text, std::size_t at = 0) {
  return bytes.size() >= at + text.size() &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

base::Result<Format> FormatOf(std::span<const std::byte> bytes, std::optional<Format> said) {
  const std::optional<Format> found = SniffFormat(bytes);
  if (!found) {
    return base::InvalidArgument("expected a JPEG, PNG or WebP, got " +
                                     std::to_string(bytes.size()) + " bytes that begin with " +
                                     base::Printable({reinterpret_cast<const char*>(bytes.data()),
                                                      std::min<std::size_t>(bytes.size(), 8)}),
                                 "IMAGE_FORMAT");
  }
  if (said && *said != *found) {
    return base::InvalidArgument("expected a " + std::string(FormatName(*said)) +
                                     ", as the content type says, got a " +
                                     std::string(FormatName(*found)),
                                 "IMAGE_FORMAT");
  }
  return *found;
}

}  // namespace

std::optional<Format> SniffFormat(std::span<const std::byte> bytes) {
  if (StartsWith(bytes, "\xff\xd8\xff")) return Format::kJpeg;
  if (StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return Format::kPng;
  if (StartsWith(bytes, "RIFF") && StartsWith(bytes, "WEBP", 8)) return Format::kWebp;
  return std::nullopt;
}

base::Status Decode(std::span<const std::byte> bytes, const DecodeFor& wanted,
                    const DecodeLimits& limits, Picture& out, Picture& scratch) {
  MUSTER_ASSIGN_OR_RETURN(const Format format, FormatOf(bytes, wanted.format));
  base::Result<Orientation> orientation =
      format == Format::kJpeg  ? internal::DecodeJpeg(bytes, wanted, limits, out)
      : format == Format::kPng ? internal::DecodePng(bytes, limits, out)
                               : internal::DecodeWebp(bytes, limits, out);
  if (!orientation) return std::move(orientation).error();
  Upright(out, *orientation, scratch);
  return {};
}

}  // namespace muster::features::image
