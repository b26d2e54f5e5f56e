#include "muster/server/http/target.h"

#include <algorithm>

#include "muster/base/text.h"
#include "muster/server/http/ascii.h"
#include "muster/server/http/head_parser.h"

namespace muster::server::http {
namespace {

base::Error BadTarget(std::string_view target) {
  return Malformed("expected a URL such as /path?name=value, got " + base::Printable(target));
}

// "http://host:port/path" to "/path"; null data if it is something else.
std::string_view WithoutAuthority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!EqualsIgnoringCase(target.substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = target.substr(scheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    const std::string_view authority = rest.substr(0, end);
    if (authority.empty() || authority.find('@') != std::string_view::npos) return {};
    return rest.substr(end);
  }
  return {};
}

}  // namespace

base::Result<Target> SplitTarget(std::string_view target, Method method) {
  for (const char c : target) {
    const auto code = static_cast<unsigned char>(c);
    if (code <= ' ' || code >= 0x7f || c == '#') return BadTarget(target);
  }
  if (target == "*" && method == Method::kOptions) return Target{target, {}};
  std::string_view local = target;
  if (!target.starts_with('/')) {
    local = WithoutAuthority(target);
    if (local.data() == nullptr) return BadTarget(target);
  }
  const std::size_t mark = std::min(local.find('?'), local.size());
  return Target{local.substr(0, mark), local.substr(std::min(mark + 1, local.size()))};
}

base::Result<std::size_t> DecodeInPlace(std::span<char> text, Decode what) {
  std::size_t to = 0;
  for (std::size_t from = 0; from < text.size(); ++from) {
    char c = text[from];
    if (c == '+' && what == Decode::kQuery) c = ' ';
    if (c == '%') {
      const int high = from + 2 < text.size() ? HexDigit(text[from + 1]) : -1;
      const int low = from + 2 < text.size() ? HexDigit(text[from + 2]) : -1;
      if (high < 0 || low < 0) return Malformed("`%` without two hexadecimal digits in the URL");
      const int value = high * 16 + low;
      if (value < 0x20 || value == 0x7f || (value == '/' && what == Decode::kPath)) {
        return Malformed("encoded control character or slash in the URL");
      }
      c = static_cast<char>(value);
      from += 2;
    }
    text[to++] = c;
  }
  return to;
}

}  // namespace muster::server::http
