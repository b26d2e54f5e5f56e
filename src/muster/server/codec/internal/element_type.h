#pragma once

#include <cstdint>
#include <string>

#include "muster/tensor/dtype.h"

namespace muster::server::codec::internal {

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls `f` with the TypeTag of the element type; the dtype is one JSON can carry.
template <class F>
auto WithElementType(tensor::DType dtype, F f) {
  using tensor::DType;
  switch (dtype) {
    case DType::kBool:
      return f(TypeTag<bool>());
    case DType::kUint8:
      return f(TypeTag<std::uint8_t>());
    case DType::kUint16:
      return f(TypeTag<std::uint16_t>());
    case DType::kUint32:
      return f(TypeTag<std::uint32_t>());
    case DType::kUint64:
      return f(TypeTag<std::uint64_t>());
    case DType::kInt8:
      return f(TypeTag<std::int8_t>());
    case DType::kInt16:
      return f(TypeTag<std::int16_t>());
    case DType::kInt32:
      return f(TypeTag<std::int32_t>());
    case DType::kInt64:
      return f(TypeTag<std::int64_t>());
    case DType::kFp64:
      return f(TypeTag<double>());
    case DType::kBytes:
      return f(TypeTag<std::string>());
    case DType::kFp32:
    case DType::kFp16:
    case DType::kBf16:
      break;
  }
  return f(TypeTag<float>());
}

}  // namespace muster::server::codec::internal
