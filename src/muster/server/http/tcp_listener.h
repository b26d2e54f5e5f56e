#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "muster/base/result.h"

namespace muster::server::http {

class AsioLoop;

/// Listens on one address and hands connected sockets on. Everything but Open happens on the loop.
class TcpListener {
 public:
  struct Events {
    /// A connected, non-blocking socket that the callee owns.
    std::function<void(int fd)> accepted;
    /// A client was turned away: no descriptor was left.
    std::function<void()> refused;
  };

  /// Binds and listens. `host` is a name or an address, port 0 any free one. Errors:
  /// INVALID_ARGUMENT (host), UNAVAILABLE (port in use, no permission), naming host and port.
  static base::Result<std::unique_ptr<TcpListener>> Open(AsioLoop& loop, const std::string& host,
                                                         std::uint16_t port);
  virtual ~TcpListener() = default;
  virtual std::uint16_t port() const = 0;
  virtual void Start(Events events) = 0;
  /// Accepts what the backlog holds, then stops listening.
  virtual void AcceptRestAndClose() = 0;
};

}  // namespace muster::server::http
