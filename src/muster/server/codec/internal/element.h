#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

/// Reads one element as T (a number, bool or std::string) without any coercion but those that lose
/// nothing a client could have meant: integers as floats, and decimal numbers rounded to double and
/// from there to float, which is what NumPy makes of the same text.
template <class T>
simdjson::error_code ReadElement(od::value value, T& out) {
  if constexpr (std::is_same_v<T, std::string>) {
    od::raw_json_string raw;
    if (const auto error = value.get_raw_json_string().get(raw)) return error;
    const RawString string = ScanString(raw.raw());
    if (!string.escaped) {
      out.assign(string.text);
      return simdjson::SUCCESS;
    }
    return Unescape(string, out) ? simdjson::SUCCESS : simdjson::STRING_ERROR;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value.get_bool().get(out);
  } else if constexpr (std::is_floating_point_v<T>) {
    double number = 0;
    if (const auto error = value.get_double().get(number)) return error;
    out = static_cast<T>(number);
    return std::isfinite(out) ? simdjson::SUCCESS : simdjson::NUMBER_OUT_OF_RANGE;
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    Wide number = 0;
    if constexpr (std::is_signed_v<T>) {
      if (const auto error = value.get_int64().get(number)) return error;
    } else {
      if (const auto error = value.get_uint64().get(number)) return error;
    }
    out = static_cast<T>(number);
    return out == number ? simdjson::SUCCESS : simdjson::NUMBER_OUT_OF_RANGE;
  }
}

/// Why ReadElement refused `value`: TYPE, OUT_OF_RANGE, or JSON where it is no JSON at all.
base::Error ElementError(od::value value, tensor::DType dtype, const Path& path);

}  // namespace muster::server::codec::internal
