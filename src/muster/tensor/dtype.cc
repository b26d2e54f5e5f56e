#include "muster/tensor/dtype.h"

#include <algorithm>
#include <array>
#include <bit>

namespace muster::tensor {
namespace {

// In the order of DType.
constexpr std::array<std::string_view, 14> kNames = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64",
                                                     "INT8", "INT16", "INT32",  "INT64",  "FP16",
                                                     "BF16", "FP32",  "FP64",   "BYTES"};
static_assert(kNames[static_cast<std::size_t>(DType::kBytes)] == "BYTES");

}  // namespace

std::string_view DTypeName(DType dtype) { return kNames[static_cast<std::size_t>(dtype)]; }

std::optional<DType> ParseDType(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<DType>(found - kNames.begin());
}

float HalfToFloat(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {
    // A subnormal half is fraction · 2^-24, which a float holds exactly as a normal number.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  // Infinities and NaNs keep all exponent bits set; all others change bias from 15 to 127.
  const std::uint32_t wide = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

float BFloat16ToFloat(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace muster::tensor
