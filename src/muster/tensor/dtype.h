#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muster::tensor {

/// The element types of the Open Inference Protocol v2.
enum class DType : std::uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
};

/// "BOOL", "UINT8", …, "FP32", "BYTES", as the protocol writes them.
std::string_view DTypeName(DType dtype);
std::optional<DType> ParseDType(std::string_view name);
/// Bytes of one element in memory; 0 for kBytes, whose elements are strings.
constexpr std::size_t DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kUint8:
    case DType::kInt8:
      return 1;
    case DType::kUint16:
    case DType::kInt16:
    case DType::kFp16:
    case DType::kBf16:
      return 2;
    case DType::kUint32:
    case DType::kInt32:
    case DType::kFp32:
      return 4;
    case DType::kUint64:
    case DType::kInt64:
    case DType::kFp64:
      return 8;
    case DType::kBytes:
      return 0;
  }
  return 0;
}

/// The DType of a C++ element type (std::string for kBytes).
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::kBool;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kUint8;
};
template <>
struct DTypeOf<std::uint16_t> {
  static constexpr DType value = DType::kUint16;
};
template <>
struct DTypeOf<std::uint32_t> {
  static constexpr DType value = DType::kUint32;
};
template <>
struct DTypeOf<std::uint64_t> {
  static constexpr DType value = DType::kUint64;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::kInt8;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::kInt16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kInt32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::kInt64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFp32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFp64;
};
template <>
struct DTypeOf<std::string> {
  static constexpr DType value = DType::kBytes;
};

/// IEEE half and bfloat16 as the 16 bits they are in memory.
float HalfToFloat(std::uint16_t bits);
float BFloat16ToFloat(std::uint16_t bits);

}  // namespace muster::tensor
