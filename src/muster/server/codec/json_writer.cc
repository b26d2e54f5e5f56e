#include "muster/server/codec/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "muster/server/codec/internal/time_json.h"

namespace muster::server::codec {
namespace {

// The longest texts std::to_chars makes: "-2.2250738585072014e-308" for a double, 20 digits for an
// integer, "false" for a bool; with a comma and to spare.
constexpr std::size_t kMaxNumberBytes = 32;

/// What a byte of a string needs: 0 nothing, 'u' the \u00xx form, 'x' a look at the UTF-8 sequence
/// it may begin, else the letter after the backslash.
constexpr std::array<char, 256> MakeEscapes() {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  for (std::size_t c = 0x80; c < 0x100; ++c) table[c] = 'x';
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table[0x7f] = 'u';
  return table;
}
constexpr std::array<char, 256> kEscapes = MakeEscapes();

bool IsContinuation(unsigned char c) { return (c & 0xC0) == 0x80; }

/// Bytes of the UTF-8 sequence at the start of `s` (whose first byte is ≥ 0x80), or 0 where it is
/// none: overlong, a surrogate, beyond U+10FFFF or cut off. Unicode 15, table 3-7.
std::size_t Utf8Length(std::string_view s) {
  const auto at = [&](std::size_t i) {
    return static_cast<unsigned char>(i < s.size() ? s[i] : 0);
  };
  const unsigned char first = at(0);
  if (first >= 0xC2 && first <= 0xDF) return IsContinuation(at(1)) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned char low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : 0xBF;
    return at(1) >= low && at(1) <= high && IsContinuation(at(2)) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned char low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xF4 ? 0x8F : 0xBF;
    return at(1) >= low && at(1) <= high && IsContinuation(at(2)) && IsContinuation(at(3)) ? 4 : 0;
  }
  return 0;
}

void AppendEscaped(std::string& out, char c, char how) {
  if (how != 'u') {
    out += {'\\', how};
    return;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
}

template <class T>
void AppendNumber(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += "null";
      return;
    }
  }
  // In place: digits written one by one and then read again as a block would wait for each other.
  const std::size_t before = out.size();
  out.resize(before + kMaxNumberBytes);
  const char* end = std::to_chars(out.data() + before, out.data() + out.size(), value).ptr;
  out.resize(static_cast<std::size_t>(end - out.data()));
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // start of what can be copied as it is
  for (std::size_t i = 0; i < text.size();) {
    const char how = kEscapes[static_cast<unsigned char>(text[i])];
    if (how == 0) {
      ++i;
      continue;
    }
    const std::size_t sequence = how == 'x' ? Utf8Length(text.substr(i)) : 0;
    if (sequence != 0) {
      i += sequence;
      continue;
    }
    out.append(text, plain, i - plain);
    if (how == 'x') {
      out += "\xEF\xBF\xBD";
    } else {
      AppendEscaped(out, text[i], how);
    }
    plain = ++i;
  }
  out.append(text, plain);
  out += '"';
}

void AppendJsonNumber(std::string& out, double value) { AppendNumber(out, value); }
void AppendJsonNumber(std::string& out, float value) { AppendNumber(out, value); }
void AppendJsonNumber(std::string& out, std::int64_t value) { AppendNumber(out, value); }
void AppendJsonNumber(std::string& out, std::uint64_t value) { AppendNumber(out, value); }

void JsonWriter::Key(std::string_view key) {
  // Once for all of it: keys are most of a small answer.
  const std::size_t before = out_.size();
  out_.resize(before + key.size() + (need_comma_ ? 4 : 3));
  char* to = out_.data() + before;
  if (need_comma_) *to++ = ',';
  *to++ = '"';
  to = std::copy(key.begin(), key.end(), to);
  *to++ = '"';
  *to = ':';
  need_comma_ = false;
}

void JsonWriter::AnyKey(std::string_view key) {
  Comma();
  AppendJsonString(out_, key);
  out_ += ':';
  need_comma_ = false;
}

void JsonWriter::String(std::string_view text) {
  Comma();
  AppendJsonString(out_, text);
}

void JsonWriter::Number(double v) {
  Comma();
  AppendJsonNumber(out_, v);
}

void JsonWriter::Number(float v) {
  Comma();
  AppendJsonNumber(out_, v);
}

void JsonWriter::Number(std::int64_t v) {
  Comma();
  AppendJsonNumber(out_, v);
}

void JsonWriter::Number(std::uint64_t v) {
  Comma();
  AppendJsonNumber(out_, v);
}

void JsonWriter::Bool(bool v) {
  Comma();
  AppendJsonBool(out_, v);
}

void JsonWriter::Null() {
  Comma();
  out_ += "null";
}

void JsonWriter::Time(base::WallTime time) {
  Comma();
  internal::AppendIsoTime(out_, time);
}

void JsonWriter::Raw(std::string_view json) {
  Comma();
  out_ += json;
}

void JsonWriter::Tensor(const tensor::Tensor& t) { AppendJsonTensor(Value(), t); }

}  // namespace muster::server::codec
