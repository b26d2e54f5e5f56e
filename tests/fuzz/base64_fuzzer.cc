// Base64 against a decoder that is slow and plain, and there and back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/features/image/base64.h"

namespace {

using muster::features::image::DecodeBase64;

std::optional<unsigned> DigitOf(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<unsigned>(c - 'a') + 26;
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0') + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return std::nullopt;
}

char CharOf(unsigned digit) {
  for (int c = 0; c < 128; ++c) {
    if (DigitOf(static_cast<char>(c)) == digit) return static_cast<char>(c);
  }
  return '?';
}

std::string_view Digits(std::string_view text) {
  if (!text.starts_with("data:image/")) return text;
  const std::size_t at = text.substr(0, 64).find(";base64,");
  return at == text.npos ? text : text.substr(at + 8);
}

/// Bit by bit; none where the text is not what RFC 4648 writes for some bytes.
std::optional<std::vector<std::byte>> PlainDecode(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  for (; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::vector<bool> bits;
  for (const char c : text) {
    const std::optional<unsigned> digit = DigitOf(c);
    if (!digit) return std::nullopt;
    for (unsigned bit = 32; bit > 0; bit /= 2) bits.push_back((*digit & bit) != 0);
  }
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits.size() - i < 8 && i % 8 == 0) {  // what is left over says nothing
      for (; i < bits.size(); ++i) {
        if (bits[i]) return std::nullopt;
      }
      break;
    }
    if (i % 8 == 0) bytes.push_back({});
    bytes.back() = bytes.back() << 1 | static_cast<std::byte>(bits[i] ? 1 : 0);
  }
  return bytes;
}

std::string Encode(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(bytes.size() - i, 3);
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? CharOf(bits >> (18 - 6 * k) & 63) : '=';
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::vector<std::byte> out;  // kept from text to text, as in a server
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plain = PlainDecode(Digits(text));
  const muster::base::Status decoded = DecodeBase64(text, out);
  MUSTER_CHECK(decoded.has_value() == plain.has_value(), "only one of the decoders takes it");
  MUSTER_CHECK(!plain || *plain == out, "the decoders give different bytes");
  if (size == 0) return 0;
  MUSTER_CHECK(DecodeBase64(Encode({data, size}), out), "what was encoded is refused");
  const auto given = std::as_bytes(std::span(data, size));
  MUSTER_CHECK(std::equal(given.begin(), given.end(), out.begin(), out.end()),
               "not the bytes that were encoded");
  return 0;
}
