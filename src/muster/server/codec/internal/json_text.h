#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace muster::server::codec::internal {

/// What a token that should be a number is (RFC 8259, section 6).
enum class NumberKind : unsigned char { kNotANumber, kInteger, kReal };
NumberKind ClassifyNumber(std::string_view token);

/// What is between the quotes of a JSON string, still escaped.
struct RawString {
  std::string_view text;
  bool escaped = false;  ///< has backslashes; else `text` is the string itself
};

/// The string whose first byte is at `begin`, just after its opening quote. It must be closed, as
/// simdjson's first stage makes sure of.
RawString ScanString(const char* begin);

/// The string itself: `raw.text` where nothing is escaped, else `scratch`. None where an escape is
/// unknown, cut off, or half of a surrogate pair.
std::optional<std::string_view> Unescape(const RawString& raw, std::string& scratch);

/// Without white space (RFC 8259, section 2) at its end.
std::string_view TrimEnd(std::string_view text);

}  // namespace muster::server::codec::internal
