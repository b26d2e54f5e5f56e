#include "muster/server/codec/internal/element.h"

namespace muster::server::codec::internal {
namespace {

using tensor::DType;

bool IsFloat(DType dtype) { return dtype == DType::kFp32 || dtype == DType::kFp64; }

std::string ExpectedElement(DType dtype) {
  if (dtype == DType::kBool) return "true or false (BOOL)";
  if (dtype == DType::kBytes) return "a string (BYTES)";
  return std::string(IsFloat(dtype) ? "a number (" : "a whole number (") +
         std::string(tensor::DTypeName(dtype)) + ')';
}

}  // namespace

base::Error ElementError(od::value value, DType dtype, const Path& path) {
  const std::string expected = ExpectedElement(dtype);
  const Kind kind = KindOf(value);
  if (kind == Kind::kString && dtype == DType::kBytes) return BadString(path);
  if (kind == Kind::kList || kind == Kind::kObject || kind == Kind::kString) {
    return Expected(expected, value, path, "TYPE");
  }
  const std::string_view token = Token(value);
  if (!IsJsonToken(token)) return BadToken(token, path);
  const bool number = kind == Kind::kNumber && dtype != DType::kBool && dtype != DType::kBytes;
  const bool whole = number && ClassifyNumber(token) == NumberKind::kInteger;
  const bool in_kind = IsFloat(dtype) ? number : whole;
  return Expected(in_kind ? expected + " in its range" : expected, value, path,
                  in_kind ? "OUT_OF_RANGE" : "TYPE");
}

}  // namespace muster::server::codec::internal
