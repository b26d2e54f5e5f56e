#include "muster/server/codec/internal/value_count.h"

#include <cstdint>
#include <string>

namespace muster::server::codec::internal {
namespace {

constexpr std::size_t kBlock = 64;

/// Commas, colons and brackets, those in strings too; a block at a time so that it vectorises.
std::size_t CountPunctuation(std::string_view json) {
  const auto is_one = [](unsigned char c) {
    const auto bracket = static_cast<unsigned char>(c | 0x20);  // '[' becomes '{', ']' becomes '}'
    return static_cast<unsigned char>((c == ',') | (c == ':') | (bracket == '{') |
                                      (bracket == '}'));
  };
  const auto* at = reinterpret_cast<const unsigned char*>(json.data());
  std::size_t total = 0;
  std::size_t i = 0;
  for (; i + kBlock <= json.size(); i += kBlock) {
    unsigned char block = 0;
    for (std::size_t j = 0; j < kBlock; ++j) {
      block = static_cast<unsigned char>(block + is_one(at[i + j]));
    }
    total += block;
  }
  for (; i < json.size(); ++i) total += is_one(at[i]);
  return total;
}

struct Punctuation {
  std::size_t values = 1;
  std::size_t open = 0;
  std::size_t close = 0;
  std::size_t colons = 0;
};

/// Stops early once there are more than `max_values`.
Punctuation CountOutsideStrings(std::string_view json, std::size_t max_values) {
  Punctuation count;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size() && count.values <= max_values; ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        break;
      case ',':
        ++count.values;
        break;
      case '[':
      case '{':
        ++count.values, ++count.open;
        break;
      case ']':
      case '}':
        ++count.close;
        break;
      case ':':
        ++count.colons;
        break;
      default:
        break;
    }
  }
  return count;
}

}  // namespace

base::Status CheckValueCount(std::string_view json, std::size_t max_values) {
  if (json.size() <= max_values || CountPunctuation(json) < max_values) return {};
  const Punctuation count = CountOutsideStrings(json, max_values);
  if (count.values > max_values) {
    return base::InvalidArgument("body: more than " + std::to_string(max_values) + " JSON values",
                                 "TOO_MANY_VALUES");
  }
  if (count.close > count.open || count.colons >= count.values) {
    return base::InvalidArgument("body: not valid JSON: its brackets or colons do not pair up",
                                 "JSON");
  }
  return {};
}

}  // namespace muster::server::codec::internal
