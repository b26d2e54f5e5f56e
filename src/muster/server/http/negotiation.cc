#include "muster/server/http/negotiation.h"

#include <algorithm>
#include <array>
#include <string>

#include "muster/base/text.h"
#include "muster/server/http/ascii.h"

namespace muster::server::http {
namespace {

// Thousandths of a weight's value, "0.8" to 800 (RFC 9110 12.4.2); -1 if it is none.
int Weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
  if (text.size() > 1 && text[1] != '.') return -1;
  int value = text[0] - '0';
  for (std::size_t i = 2; i < 5; ++i) {
    const char c = i < text.size() ? text[i] : '0';
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value <= 1000 ? value : -1;
}

// The weight among a coding's parameters; 1000 without one, -1 if malformed.
int WeightOf(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = TakeUntil(parameters, ';');
    if (parameter.size() >= 2 && ToLower(parameter[0]) == 'q' && parameter[1] == '=') {
      return Weight(parameter.substr(2));
    }
  }
  return 1000;
}

Coding CodingOf(std::string_view name) {
  if (EqualsIgnoringCase(name, "gzip") || EqualsIgnoringCase(name, "x-gzip")) return Coding::kGzip;
  return EqualsIgnoringCase(name, "deflate") ? Coding::kDeflate : Coding::kIdentity;
}

}  // namespace

Coding NegotiateCoding(std::string_view accept_encoding) {
  int gzip = -1;
  int deflate = -1;
  int identity = -1;
  int others = 0;
  while (!accept_encoding.empty()) {
    std::string_view part = TakeUntil(accept_encoding, ',');
    const std::string_view name = TakeUntil(part, ';');
    const int weight = WeightOf(part);
    if (weight < 0) continue;
    if (CodingOf(name) == Coding::kGzip) gzip = weight;
    if (CodingOf(name) == Coding::kDeflate) deflate = weight;
    if (EqualsIgnoringCase(name, "identity")) identity = weight;
    if (name == "*") others = weight;
  }
  if (gzip < 0) gzip = others;
  if (deflate < 0) deflate = others;
  // Unnamed, identity is allowed but is not preferred to what was asked for.
  if (gzip > 0 && gzip >= deflate && gzip >= identity) return Coding::kGzip;
  return deflate > 0 && deflate >= identity ? Coding::kDeflate : Coding::kIdentity;
}

base::Result<Coding> ContentCoding(std::string_view content_encoding) {
  if (content_encoding.empty() || EqualsIgnoringCase(content_encoding, "identity")) {
    return Coding::kIdentity;
  }
  const Coding coding = CodingOf(content_encoding);
  if (coding != Coding::kIdentity) return coding;
  return base::InvalidArgument(
      "Content-Encoding may be gzip, deflate or identity, not " + base::Printable(content_encoding),
      "UNSUPPORTED_MEDIA_TYPE");
}

bool IsMediaType(std::string_view value, std::span<const std::string> types) {
  const std::string_view type = TakeUntil(value, ';');
  return std::ranges::any_of(types, [&](const auto& t) { return EqualsIgnoringCase(t, type); });
}

bool AsksFor(std::string_view accept, std::string_view type, std::string_view otherwise) {
  // The most specific range about a type is the one that counts.
  const std::string group = std::string(otherwise.substr(0, otherwise.find('/'))) + "/*";
  const std::array<std::string_view, 3> about_other = {"*/*", group, otherwise};
  int weight = 0;
  int other = 0;
  std::size_t other_rank = 0;
  while (!accept.empty()) {
    std::string_view part = TakeUntil(accept, ',');
    const std::string_view range = TakeUntil(part, ';');
    const int said = WeightOf(part);
    if (said < 0) continue;
    if (EqualsIgnoringCase(range, type)) weight = said;
    for (std::size_t rank = other_rank; rank < about_other.size(); ++rank) {
      if (!EqualsIgnoringCase(range, about_other[rank])) continue;
      other = said;
      other_rank = rank;
    }
  }
  return weight > 0 && weight >= other;
}

bool IsCompressible(std::string_view content_type) {
  const std::string_view type = TakeUntil(content_type, ';');
  return type.starts_with("text/") || type.ends_with("json") || type.ends_with("xml") ||
         type.ends_with("javascript");
}

}  // namespace muster::server::http
