#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include "muster/base/result.h"

namespace muster::bench {

/// The parts of "http://host:port/path".
struct Url {
  std::string host;
  std::string port = "80";
  std::string path;  ///< from its slash on; empty: none
  /// "host:port" as the Host header has it.
  std::string authority() const;
};

/// `http://` may be left out. Errors: INVALID_ARGUMENT for https, an empty host, a wrong port.
base::Result<Url> ParseUrl(std::string_view text);

/// Where a server listens, resolved.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
};

/// The first address of the host. Blocks on the resolver. Errors: UNAVAILABLE naming the host.
base::Result<Endpoint> Resolve(const Url& url);

}  // namespace muster::bench
