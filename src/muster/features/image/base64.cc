#include "muster/features/image/base64.h"

#include <array>
#include <cstdint>
#include <string>

#include "muster/base/text.h"

namespace muster::features::image {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::uint8_t ValueOf(char c) { return kValues[static_cast<unsigned char>(c)]; }

base::Error Bad(std::string what) {
  return base::InvalidArgument("expected base64 (A-Z a-z 0-9 + /, padded with =), got " + what,
                               "BASE64");
}

/// `before`: how much of what came stands before `text`.
base::Error BadAt(std::string_view text, std::size_t at, std::size_t before) {
  while (at < text.size() && ValueOf(text[at]) != kNone) ++at;
  const char c = text[at];
  std::string what =
      '"' + base::Printable(text.substr(at, 1)) + "\" at position " + std::to_string(before + at);
  if (c == '-' || c == '_') what += ", which is of the alphabet for URLs";
  if (c == ' ' || c == '\n' || c == '\r') what += "; there must be no spaces or line breaks";
  return Bad(std::move(what));
}

std::string_view WithoutDataUrl(std::string_view text) {
  constexpr std::string_view kScheme = "data:image/";
  constexpr std::string_view kCoding = ";base64,";
  if (!text.starts_with(kScheme)) return text;
  const std::size_t at = text.substr(0, 64).find(kCoding);
  return at == std::string_view::npos ? text : text.substr(at + kCoding.size());
}

}  // namespace

base::Status DecodeBase64(std::string_view text, std::vector<std::byte>& out) {
  const std::size_t whole = text.size();
  text = WithoutDataUrl(text);
  const std::size_t before = whole - text.size();
  if (text.empty()) return Bad("nothing");
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::size_t digits = text.size() - padding;
  out.resize(text.size() / 4 * 3 + 3);
  std::byte* to = out.data();
  std::size_t at = 0;
  for (; at + 4 <= digits; at += 4) {
    const std::uint32_t a = ValueOf(text[at]), b = ValueOf(text[at + 1]), c = ValueOf(text[at + 2]),
                        d = ValueOf(text[at + 3]);
    if ((a | b | c | d) > 63) return BadAt(text, at, before);
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<std::byte>(bits >> 16);
    *to++ = static_cast<std::byte>(bits >> 8);
    *to++ = static_cast<std::byte>(bits);
  }
  const std::size_t rest = digits - at;  // of an unfinished group
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < rest; ++i) {
    if (ValueOf(text[at + i]) == kNone) return BadAt(text, at, before);
    bits = bits << 6 | ValueOf(text[at + i]);
  }
  if (text.size() % 4 != 0 || rest == 1 || (rest == 0 && padding > 0)) {
    return Bad(std::to_string(digits) + " digits and " + std::to_string(padding) +
               " of padding, which make no whole bytes");
  }
  // What is left over must be 0, or two texts would stand for the same bytes.
  const std::uint32_t unused = rest == 2 ? 0xf : rest == 3 ? 0x3 : 0;
  if ((bits & unused) != 0) return Bad("bits that are not 0 behind the last byte");
  if (rest == 2) *to++ = static_cast<std::byte>(bits >> 4);
  if (rest == 3) {
    *to++ = static_cast<std::byte>(bits >> 10);
    *to++ = static_cast<std::byte>(bits >> 2);
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
  return {};
}

}  // namespace muster::features::image
