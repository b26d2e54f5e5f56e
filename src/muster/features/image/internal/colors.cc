#include "muster/features/image/internal/colors.h"

#include <algorithm>
#include <cstring>

namespace muster::features::image::internal {
namespace {

constexpr std::uint8_t kFaint = 64;

std::uint8_t Blend(unsigned color, unsigned background, unsigned alpha) {
  const unsigned t = color * alpha + background * (255 - alpha) + 128;
  return static_cast<std::uint8_t>((t + (t >> 8)) >> 8);
}

}  // namespace

void Compose(Picture& picture, const std::array<std::uint8_t, 3>& background) {
  const std::span<std::uint8_t> samples = picture.samples();
  for (std::size_t i = 0; i < samples.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) {
      samples[i + c] = Blend(samples[i + c], background[c], samples[i + 3]);
    }
  }
  picture.has_alpha = false;
}

void ToGrey(Picture& picture) {
  const std::size_t pixels = picture.samples().size() / 4;
  const std::uint8_t* const from = picture.row(0);
  std::uint8_t* const to = picture.row(0);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* const p = from + 4 * i;
    to[i] = Grey({p[0], p[1], p[2]});
  }
  picture.Reset(picture.width(), picture.height(), 1);  // fewer samples: the same memory
}

double BorderMean(const Picture& picture) {
  const int colors = std::min(picture.channels(), 3);
  double sum = 0;
  std::int64_t count = 0;
  const auto add = [&](std::int64_t x, std::int64_t y) {
    for (int c = 0; c < colors; ++c) sum += picture.row(y)[x * picture.channels() + c];
    count += colors;
  };
  for (std::int64_t x = 0; x < picture.width(); ++x) {
    add(x, 0);
    add(x, picture.height() - 1);
  }
  for (std::int64_t y = 0; y < picture.height(); ++y) {
    add(0, y);
    add(picture.width() - 1, y);
  }
  return sum / static_cast<double>(count);
}

bool Trim(const Picture& picture, bool inverted, Picture& out) {
  std::int64_t left = picture.width(), right = -1, top = picture.height(), bottom = -1;
  for (std::int64_t y = 0; y < picture.height(); ++y) {
    for (std::int64_t x = 0; x < picture.width(); ++x) {
      const std::uint8_t sample = picture.row(y)[x];
      if ((inverted ? 255 - sample : sample) <= kFaint) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = y;
    }
  }
  if (right < 0) return false;
  if (left == 0 && top == 0 && right == picture.width() - 1 && bottom == picture.height() - 1)
    return false;
  out.Reset(right - left + 1, bottom - top + 1, 1);
  for (std::int64_t y = 0; y < out.height(); ++y) {
    std::memcpy(out.row(y), picture.row(top + y) + left, out.row_bytes());
  }
  return true;
}

}  // namespace muster::features::image::internal
