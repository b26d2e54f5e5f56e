#include "muster/model/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

template <class T, class ToDouble>
bool AllClose(const Tensor& a, const Tensor& b, double relative, ToDouble&& to_double) {
  const auto x = a.data<T>();
  const auto y = b.data<T>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = to_double(x[i]);
    const double v = to_double(y[i]);
    if (u == v || (std::isnan(u) && std::isnan(v))) continue;
    if (!(std::abs(u - v) <= 1e-5 + relative * std::abs(v))) return false;  // NaN, infinity too
    if (std::isinf(u) || std::isinf(v)) return false;
  }
  return true;
}

bool Close(const Tensor& a, const Tensor& b) {
  const auto widen = [](auto value) { return static_cast<double>(value); };
  const auto half = [](std::uint16_t bits) {
    return static_cast<double>(tensor::HalfToFloat(bits));
  };
  const auto bfloat = [](std::uint16_t bits) {
    return static_cast<double>(tensor::BFloat16ToFloat(bits));
  };
  switch (a.dtype()) {
    case DType::kFp32:
      return AllClose<float>(a, b, 1e-4, widen);
    case DType::kFp64:
      return AllClose<double>(a, b, 1e-4, widen);
    case DType::kFp16:
      return AllClose<std::uint16_t>(a, b, 0x1p-9, half);
    case DType::kBf16:
      return AllClose<std::uint16_t>(a, b, 0x1p-6, bfloat);
    default:
      return false;
  }
}

}  // namespace

bool Identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  if (a.dtype() == DType::kBytes) {
    return std::ranges::equal(a.data<std::string>(), b.data<std::string>());
  }
  return a.byte_size() == 0 || std::memcmp(a.bytes(), b.bytes(), a.byte_size()) == 0;
}

Agreement Compare(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return {false, false};
  if (Identical(a, b)) return {true, true};
  return {Close(a, b), false};
}

}  // namespace muster::model
