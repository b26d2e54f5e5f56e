#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "muster/base/result.h"
#include "muster/server/http/exchange.h"

namespace muster::server::http {

/// The parts of a request target that a server of resources needs; not decoded. An empty path
/// stands for "/".
struct Target {
  std::string_view path;
  std::string_view query;
};

/// Takes a request target apart (RFC 9112 3.2): "/path?query", "http://host/path?query", and "*" of
/// OPTIONS. Errors: INVALID_ARGUMENT "MALFORMED_REQUEST".
base::Result<Target> SplitTarget(std::string_view target, Method method);

enum class Decode {
  kPath,   ///< an encoded slash is refused: it would change what the segments are
  kQuery,  ///< `+` is a space
};

/// Percent-decodes `text` where it stands and returns how many bytes it has now. Errors:
/// INVALID_ARGUMENT "MALFORMED_REQUEST" for incomplete escapes and encoded control characters.
base::Result<std::size_t> DecodeInPlace(std::span<char> text, Decode what);

}  // namespace muster::server::http
