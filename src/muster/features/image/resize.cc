#include "muster/features/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "muster/base/result.h"

namespace muster::features::image {
namespace {

using Filter = model::ImageOptions::Filter;
using Taps = ResizeScratch::Taps;

// A sample has 8 bits, and sums of weights may overshoot by less than 2: 32 are enough for 22 more.
constexpr int kBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kBits - 1);

double Sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double Value(Filter filter, double x) {
  switch (filter) {
    case Filter::kBox:
      return x > -0.5 && x <= 0.5 ? 1 : 0;
    case Filter::kTriangle:
      x = std::fabs(x);
      return x < 1 ? 1 - x : 0;
    case Filter::kBicubic: {  // Keys 1981 with a = -1/2
      constexpr double a = -0.5;
      x = std::fabs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    }
    case Filter::kLanczos:
      return -3 <= x && x < 3 ? Sinc(x) * Sinc(x / 3) : 0;
  }
  return 0;
}

double Support(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return 0.5;
    case Filter::kTriangle:
      return 1;
    case Filter::kBicubic:
      return 2;
    case Filter::kLanczos:
      break;
  }
  return 3;
}

/// Weights of the outputs [begin, begin + count) of `to`, made of `from` inputs.
void MakeTaps(std::int64_t from, std::int64_t to, Filter filter, std::int64_t begin,
              std::int64_t count, Taps& taps) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double widened = std::max(scale, 1.0);
  const double support = Support(filter) * widened;
  taps.per_output = static_cast<std::int64_t>(std::ceil(support)) * 2 + 1;
  const auto outputs = static_cast<std::size_t>(count);
  taps.weights.assign(outputs * static_cast<std::size_t>(taps.per_output), 0);
  taps.first.resize(outputs);
  taps.count.resize(outputs);
  std::vector<double> exact(static_cast<std::size_t>(taps.per_output));
  for (std::size_t i = 0; i < outputs; ++i) {
    const double center = (static_cast<double>(begin + static_cast<std::int64_t>(i)) + 0.5) * scale;
    const auto first = static_cast<std::int64_t>(std::max(center - support + 0.5, 0.0));
    const auto end = std::min(static_cast<std::int64_t>(center + support + 0.5), from);
    const auto used = static_cast<std::size_t>(end - first);
    double sum = 0;
    for (std::size_t k = 0; k < used; ++k) {
      const double at = static_cast<double>(first + static_cast<std::int64_t>(k)) - center + 0.5;
      exact[k] = Value(filter, at * (1.0 / widened));
      sum += exact[k];
    }
    std::int32_t* const weights = &taps.weights[i * static_cast<std::size_t>(taps.per_output)];
    for (std::size_t k = 0; k < used; ++k) {
      const double weight = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << kBits);
      weights[k] = static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.first[i] = static_cast<std::int32_t>(first);
    taps.count[i] = static_cast<std::int32_t>(used);
  }
}

std::uint8_t Clip(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255));
}

// Rows are scaled four at a time, so that a weight is made ready once for all of them. With AVX2
// that is written out, since compilers find no good way to spread a weight over two pixels;
// integers give the same either way.
constexpr std::int64_t kRows = 4;

/// Row y of some, from `first` on.
struct Rows {
  const std::uint8_t* first;
  std::size_t bytes;
};

struct Kernels {
  /// `rows` ≤ kRows rows of `from`, across, into rows of `out`.
  void (*across)(Rows from, std::int64_t rows, const Taps& taps, std::size_t outputs, int channels,
                 std::uint8_t* out, std::size_t out_bytes);
  /// `count` rows of `from`, down, into one.
  void (*down)(Rows from, const std::int32_t* weights, std::int32_t count, std::uint8_t* out);
};

void AcrossOne(const std::uint8_t* from, const Taps& taps, std::size_t outputs, int channels,
               std::uint8_t* out) {
  const auto step = static_cast<std::size_t>(channels);
  for (std::size_t x = 0; x < outputs; ++x) {
    const std::int32_t* const weights =
        &taps.weights[x * static_cast<std::size_t>(taps.per_output)];
    const std::uint8_t* const first = from + static_cast<std::size_t>(taps.first[x]) * step;
    const auto count = static_cast<std::size_t>(taps.count[x]);
    for (std::size_t c = 0; c < step; ++c) {
      std::int32_t sum = kHalf;
      for (std::size_t k = 0; k < count; ++k) sum += first[k * step + c] * weights[k];
      out[x * step + c] = Clip(sum);
    }
  }
}

void Across(Rows from, std::int64_t rows, const Taps& taps, std::size_t outputs, int channels,
            std::uint8_t* out, std::size_t out_bytes) {
  for (std::int64_t y = 0; y < rows; ++y) {
    const auto i = static_cast<std::size_t>(y);
    AcrossOne(from.first + i * from.bytes, taps, outputs, channels, out + i * out_bytes);
  }
}

[[gnu::always_inline]] inline void DownLoop(Rows from, const std::int32_t* weights,
                                            std::int32_t count, std::uint8_t* out) {
  constexpr std::size_t kBlock = 64;
  std::size_t i = 0;
  for (; i + kBlock <= from.bytes; i += kBlock) {
    std::int32_t sums[kBlock];
    for (std::size_t j = 0; j < kBlock; ++j) sums[j] = kHalf;
    for (std::int32_t k = 0; k < count; ++k) {
      const std::uint8_t* const row = from.first + static_cast<std::size_t>(k) * from.bytes + i;
      for (std::size_t j = 0; j < kBlock; ++j) sums[j] += row[j] * weights[k];
    }
    for (std::size_t j = 0; j < kBlock; ++j) out[i + j] = Clip(sums[j]);
  }
  for (; i < from.bytes; ++i) {
    std::int32_t sum = kHalf;
    for (std::int32_t k = 0; k < count; ++k) {
      sum += from.first[static_cast<std::size_t>(k) * from.bytes + i] * weights[k];
    }
    out[i] = Clip(sum);
  }
}

void Down(Rows from, const std::int32_t* weights, std::int32_t count, std::uint8_t* out) {
  DownLoop(from, weights, count, out);
}

#if defined(__x86_64__)
// Two pixels a step: their eight samples times [w0 w0 w0 w0 w1 w1 w1 w1].
[[gnu::target("avx2")]] void FourAcrossAvx2(Rows from, const Taps& taps, std::size_t outputs,
                                            std::uint8_t* out, std::size_t out_bytes) {
  const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const auto load = [](const auto* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  };
  for (std::size_t x = 0; x < outputs; ++x) {
    const std::int32_t* const weights =
        &taps.weights[x * static_cast<std::size_t>(taps.per_output)];
    const std::uint8_t* const first = from.first + static_cast<std::size_t>(taps.first[x]) * 4;
    const auto count = static_cast<std::size_t>(taps.count[x]);
    __m256i sums[kRows] = {};
    std::size_t k = 0;
    for (; k + 2 <= count; k += 2) {
      const __m256i weight =
          _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(load(weights + k)), spread);
      for (std::size_t y = 0; y < kRows; ++y) {
        const __m256i pixels = _mm256_cvtepu8_epi32(load(first + y * from.bytes + 4 * k));
        sums[y] = _mm256_add_epi32(sums[y], _mm256_mullo_epi32(pixels, weight));
      }
    }
    for (std::size_t y = 0; y < kRows; ++y) {
      __m128i sum =
          _mm_add_epi32(_mm256_castsi256_si128(sums[y]), _mm256_extracti128_si256(sums[y], 1));
      if (k < count) {  // the last one
        std::int32_t pixel = 0;
        std::memcpy(&pixel, first + y * from.bytes + 4 * k, 4);
        sum = _mm_add_epi32(sum, _mm_mullo_epi32(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(pixel)),
                                                 _mm_set1_epi32(weights[k])));
      }
      sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kBits);
      sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);  // both saturate
      const std::int32_t pixel = _mm_cvtsi128_si32(sum);
      std::memcpy(out + y * out_bytes + 4 * x, &pixel, 4);
    }
  }
}

void AcrossAvx2(Rows from, std::int64_t rows, const Taps& taps, std::size_t outputs, int channels,
                std::uint8_t* out, std::size_t out_bytes) {
  if (channels == 4 && rows == kRows) return FourAcrossAvx2(from, taps, outputs, out, out_bytes);
  Across(from, rows, taps, outputs, channels, out, out_bytes);
}

[[gnu::target("avx2")]] void DownAvx2(Rows from, const std::int32_t* weights, std::int32_t count,
                                      std::uint8_t* out) {
  DownLoop(from, weights, count, out);
}
#endif

Kernels ChooseKernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return {AcrossAvx2, DownAvx2};
#endif
  return {Across, Down};
}

}  // namespace

void Resize(const Picture& from, std::int64_t width, std::int64_t height, Filter filter,
            const Window& window, Picture& out, ResizeScratch& scratch) {
  static const Kernels kernels = ChooseKernels();
  MUSTER_CHECK(window.x >= 0 && window.y >= 0 && window.x + window.width <= width &&
                   window.y + window.height <= height,
               "a window outside of the picture");
  const bool across = width != from.width();
  const bool down = height != from.height();
  MakeTaps(from.height(), height, filter, window.y, window.height, scratch.down);
  // Without scaling down there is a row for each; else those that any output needs.
  const std::int64_t first_row = down ? scratch.down.first.front() : window.y;
  const std::int64_t end_row =
      down ? scratch.down.first.back() + scratch.down.count.back() : window.y + window.height;

  Picture& rows = down ? scratch.rows : out;
  rows.Reset(window.width, end_row - first_row, from.channels());
  const auto outputs = static_cast<std::size_t>(window.width);
  if (across) MakeTaps(from.width(), width, filter, window.x, window.width, scratch.across);
  for (std::int64_t y = first_row; y < end_row; y += across ? kRows : 1) {
    std::uint8_t* const to = rows.row(y - first_row);
    if (across) {
      kernels.across({from.row(y), from.row_bytes()}, std::min(kRows, end_row - y), scratch.across,
                     outputs, from.channels(), to, rows.row_bytes());
    } else {
      std::memcpy(to, from.row(y) + window.x * from.channels(), rows.row_bytes());
    }
  }
  if (!down) return;
  out.Reset(window.width, window.height, from.channels());
  for (std::int64_t y = 0; y < window.height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    kernels.down({rows.row(scratch.down.first[i] - first_row), rows.row_bytes()},
                 &scratch.down.weights[i * static_cast<std::size_t>(scratch.down.per_output)],
                 scratch.down.count[i], out.row(y));
  }
}

}  // namespace muster::features::image
