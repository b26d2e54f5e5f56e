#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace muster::features::image {

enum class Format : std::uint8_t { kJpeg, kPng, kWebp };
std::string_view FormatName(Format format);

/// 8-bit samples, row by row from the top, without padding: UINT8 [height, width, channels]. One
/// channel is grey; four are red, green, blue and alpha, or a byte that says nothing where
/// `has_alpha` is false. Movable (it takes the other's place, and that its); owns its memory, which
/// it keeps for the next picture.
class Picture {
 public:
  Picture() = default;
  Picture(Picture&& other) noexcept { Swap(other); }
  Picture& operator=(Picture&& other) noexcept {
    Swap(other);
    return *this;
  }

  /// Uninitialised samples.
  void Reset(std::int64_t width, std::int64_t height, int channels);
  /// Gives back memory that a large picture took.
  void Shrink();

  std::int64_t width() const { return width_; }
  std::int64_t height() const { return height_; }
  int channels() const { return channels_; }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width_ * channels_); }
  std::uint8_t* row(std::int64_t y) {
    return bytes_.get() + static_cast<std::size_t>(y) * row_bytes();
  }
  const std::uint8_t* row(std::int64_t y) const {
    return bytes_.get() + static_cast<std::size_t>(y) * row_bytes();
  }
  std::span<std::uint8_t> samples() {
    return {bytes_.get(), row_bytes() * static_cast<std::size_t>(height_)};
  }
  std::span<const std::uint8_t> samples() const {
    return {bytes_.get(), row_bytes() * static_cast<std::size_t>(height_)};
  }

  bool has_alpha = false;

 private:
  void Swap(Picture& other) noexcept;

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_ = 0;
  std::int64_t width_ = 0;
  std::int64_t height_ = 0;
  int channels_ = 0;
};

}  // namespace muster::features::image
