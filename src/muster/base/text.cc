#include "muster/base/text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace muster::base {
namespace {

// Optimal string alignment: insert, drop, change, or swap two neighbours, each once per letter.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_back(b.size() + 1), back(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(two_back, back);
    std::swap(back, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, back[j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

// The first code point of a text that is not empty; neither overlong forms nor surrogates are
// UTF-8 (RFC 3629).
CodePoint Decode(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  std::uint32_t value = lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
    return {};
  return {value, bytes};
}

// Control characters, line separators, and what turns the direction of the text around it, with
// which a name could make a line look like another (unicode.org/reports/tr36).
bool Disturbs(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x200e ||
         c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void AppendHex(std::string& out, const char* format, std::uint32_t value) {
  std::array<char, 16> buffer;
  std::snprintf(buffer.data(), buffer.size(), format, value);
  out += buffer.data();
}

void AppendCodePoint(std::string& out, CodePoint c, std::string_view bytes) {
  if (c.value == '\n') {
    out += "\\n";
  } else if (c.value == '\r') {
    out += "\\r";
  } else if (c.value == '\t') {
    out += "\\t";
  } else if (Disturbs(c.value)) {
    AppendHex(out, "\\u%04x", c.value);
  } else {
    out += bytes;
  }
}

// Stops before the code point that would end beyond `max_bytes`; false if it had to.
bool Escape(std::string& out, std::string_view text, std::size_t max_bytes, bool quotes) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = Decode(text.substr(at));
    const std::size_t bytes = std::max<std::size_t>(c.bytes, 1);
    if (bytes > max_bytes - at) return false;
    if (c.bytes == 0) {
      AppendHex(out, "\\x%02x", static_cast<unsigned char>(text[at]));
    } else {
      if (quotes && (c.value == '"' || c.value == '\\')) out += '\\';
      AppendCodePoint(out, c, text.substr(at, bytes));
    }
    at += bytes;
  }
  return true;
}

}  // namespace

bool IsValidName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string_view NearestOf(std::string_view word, std::span<const std::string_view> candidates) {
  const std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  std::size_t best = limit + 1;
  std::string_view nearest;
  for (const std::string_view candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    // Also what keeps a word of megabytes from being compared with short ones.
    if (longer - std::min(word.size(), candidate.size()) > limit) continue;
    const std::size_t distance = Distance(word, candidate);
    // As far as they are long: nothing in common.
    if (distance >= best || distance >= longer) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string Printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  if (!Escape(out, text, max_bytes, /*quotes=*/false)) out += "…";
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  Escape(out, text, text.size(), /*quotes=*/true);
  return out += '"';
}

}  // namespace muster::base
