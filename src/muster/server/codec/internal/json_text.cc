#include "muster/server/codec/internal/json_text.h"

#include <cstddef>
#include <cstdint>

namespace muster::server::codec::internal {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Digits from `at` on; false if there is none.
bool SkipDigits(std::string_view s, std::size_t& at) {
  const std::size_t begin = at;
  while (at < s.size() && IsDigit(s[at])) ++at;
  return at > begin;
}

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The four hexadecimal digits at `at`, or none.
std::optional<std::uint32_t> ReadHex4(std::string_view s, std::size_t at) {
  if (s.size() < at + 4) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = HexDigit(s[i]);
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<std::uint32_t>(digit);
  }
  return value;
}

void AppendUtf8(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

/// The \u escape whose backslash is at `at`, its second half included; moves `at` behind it.
bool UnescapeUnicode(std::string_view s, std::size_t& at, std::string& out) {
  const auto first = ReadHex4(s, at + 2);
  if (!first) return false;
  at += 6;
  if (*first < 0xD800 || *first > 0xDFFF) {
    AppendUtf8(out, *first);
    return true;
  }
  if (*first >= 0xDC00 || s.substr(at, 2) != "\\u") return false;
  const auto second = ReadHex4(s, at + 2);
  if (!second || *second < 0xDC00 || *second > 0xDFFF) return false;
  at += 6;
  AppendUtf8(out, 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00));
  return true;
}

char UnescapedLetter(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

}  // namespace

NumberKind ClassifyNumber(std::string_view s) {
  std::size_t at = s.starts_with('-') ? 1 : 0;
  const bool leading_zero = at < s.size() && s[at] == '0';
  const std::size_t digits = at;
  if (!SkipDigits(s, at) || (leading_zero && at > digits + 1)) return NumberKind::kNotANumber;
  if (at == s.size()) return NumberKind::kInteger;
  if (s[at] == '.' && !SkipDigits(s, ++at)) return NumberKind::kNotANumber;
  if (at < s.size() && (s[at] == 'e' || s[at] == 'E')) {
    ++at;
    if (at < s.size() && (s[at] == '+' || s[at] == '-')) ++at;
    if (!SkipDigits(s, at)) return NumberKind::kNotANumber;
  }
  return at == s.size() ? NumberKind::kReal : NumberKind::kNotANumber;
}

RawString ScanString(const char* begin) {
  RawString raw;
  const char* at = begin;
  for (; *at != '"'; ++at) {
    if (*at == '\\') {
      raw.escaped = true;
      ++at;
    }
  }
  raw.text = {begin, static_cast<std::size_t>(at - begin)};
  return raw;
}

std::optional<std::string_view> Unescape(const RawString& raw, std::string& scratch) {
  if (!raw.escaped) return raw.text;
  scratch.clear();
  const std::string_view s = raw.text;
  for (std::size_t at = 0; at < s.size();) {
    const std::size_t backslash = s.find('\\', at);
    scratch.append(s, at, backslash - at);
    if (backslash == std::string_view::npos) break;
    at = backslash;
    if (at + 1 >= s.size()) return std::nullopt;
    if (s[at + 1] == 'u') {
      if (!UnescapeUnicode(s, at, scratch)) return std::nullopt;
    } else {
      const char c = UnescapedLetter(s[at + 1]);
      if (c == 0) return std::nullopt;
      scratch += c;
      at += 2;
    }
  }
  return std::string_view(scratch);
}

std::string_view TrimEnd(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace muster::server::codec::internal
