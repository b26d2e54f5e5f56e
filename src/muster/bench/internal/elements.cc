#include "muster/bench/internal/elements.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace muster::bench {
namespace {

using tensor::DType;
using tensor::Tensor;

/// IEEE half of a number from 0 to 8, exact or cut to 10 bits; below 2^-14 it becomes 0.
std::uint16_t HalfBits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0) return 0;
  return static_cast<std::uint16_t>(exponent << 10 | static_cast<int>(bits >> 13 & 0x3ff));
}

void Store(const Tensor& t, std::size_t i, double value) {
  switch (t.dtype()) {
#define STORE(dtype, type)                        \
  case DType::dtype:                              \
    t.data<type>()[i] = static_cast<type>(value); \
    return
    STORE(kUint8, std::uint8_t);
    STORE(kUint16, std::uint16_t);
    STORE(kUint32, std::uint32_t);
    STORE(kUint64, std::uint64_t);
    STORE(kInt8, std::int8_t);
    STORE(kInt16, std::int16_t);
    STORE(kInt32, std::int32_t);
    STORE(kInt64, std::int64_t);
    STORE(kFp32, float);
    STORE(kFp64, double);
#undef STORE
    case DType::kBool:
      t.data<bool>()[i] = value >= 4;
      return;
    case DType::kFp16:
      t.data<std::uint16_t>()[i] = HalfBits(static_cast<float>(value));
      return;
    case DType::kBf16:
      t.data<std::uint16_t>()[i] =
          static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16);
      return;
    case DType::kBytes:
      base::Fatal("text is not drawn", __FILE__, __LINE__);
  }
}

template <class T>
void AppendNumber(std::string& out, T value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void AppendElement(std::string& out, const Tensor& t, std::size_t i) {
  switch (t.dtype()) {
#define APPEND(dtype, type) \
  case DType::dtype:        \
    return AppendNumber(out, t.data<type>()[i])
    APPEND(kUint8, std::uint8_t);
    APPEND(kUint16, std::uint16_t);
    APPEND(kUint32, std::uint32_t);
    APPEND(kUint64, std::uint64_t);
    APPEND(kInt8, std::int8_t);
    APPEND(kInt16, std::int16_t);
    APPEND(kInt32, std::int32_t);
    APPEND(kInt64, std::int64_t);
    APPEND(kFp32, float);
    APPEND(kFp64, double);
#undef APPEND
    case DType::kBool:
      out += t.data<bool>()[i] ? "true" : "false";
      return;
    case DType::kFp16:
      return AppendNumber(out, tensor::HalfToFloat(t.data<std::uint16_t>()[i]));
    case DType::kBf16:
      return AppendNumber(out, tensor::BFloat16ToFloat(t.data<std::uint16_t>()[i]));
    case DType::kBytes:
      base::Fatal("text is not drawn", __FILE__, __LINE__);
  }
}

void AppendAxis(std::string& out, const Tensor& t, int axis, std::size_t& next) {
  if (axis == t.shape().rank()) return AppendElement(out, t, next++);
  out += '[';
  for (std::int64_t i = 0; i < t.shape()[axis]; ++i) {
    if (i > 0) out += ',';
    AppendAxis(out, t, axis + 1, next);
  }
  out += ']';
}

}  // namespace

void FillRandomly(const Tensor& t, Random& random) {
  const std::int64_t elements = t.shape().elements();
  // One decimal is how measured features are written; few elements need more to differ.
  const double fraction = elements < 3 ? 10'000 : 10;
  const bool whole = t.dtype() < DType::kFp16;
  // Whole numbers may be indices into a small table, unless they alone tell the rows apart.
  const double limit = whole && elements == 1 && tensor::DTypeSize(t.dtype()) > 1 ? 1024 : 8;
  for (std::int64_t i = 0; i < elements; ++i) {
    const double value = (1 - random.Uniform()) * limit;
    Store(t, static_cast<std::size_t>(i), whole ? value : std::floor(value * fraction) / fraction);
  }
}

void AppendNested(std::string& out, const Tensor& t) {
  std::size_t next = 0;
  AppendAxis(out, t, 1, next);
}

void AppendFlat(std::string& out, const Tensor& t) {
  out += '[';
  const auto elements = static_cast<std::size_t>(t.shape().elements());
  for (std::size_t i = 0; i < elements; ++i) {
    if (i > 0) out += ',';
    AppendElement(out, t, i);
  }
  out += ']';
}

}  // namespace muster::bench
