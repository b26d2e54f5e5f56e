#include "muster/features/image/picture.h"

#include <utility>

namespace muster::features::image {

std::string_view FormatName(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "JPEG";
    case Format::kPng:
      return "PNG";
    case Format::kWebp:
      break;
  }
  return "WebP";
}

void Picture::Reset(std::int64_t width, std::int64_t height, int channels) {
  width_ = width;
  height_ = height;
  channels_ = channels;
  has_alpha = false;
  const std::size_t wanted = row_bytes() * static_cast<std::size_t>(height);
  if (wanted <= capacity_) return;
  bytes_.reset();  // before, not besides, the larger one
  capacity_ = 0;
  bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(wanted);
  capacity_ = wanted;
}

void Picture::Swap(Picture& other) noexcept {
  std::swap(has_alpha, other.has_alpha);
  std::swap(bytes_, other.bytes_);
  std::swap(capacity_, other.capacity_);
  std::swap(width_, other.width_);
  std::swap(height_, other.height_);
  std::swap(channels_, other.channels_);
}

void Picture::Shrink() {
  constexpr std::size_t kKept = 4u << 20;
  if (capacity_ <= kKept) return;
  bytes_.reset();
  capacity_ = 0;
  width_ = height_ = 0;
}

}  // namespace muster::features::image
