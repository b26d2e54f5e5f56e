#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/server/http/options.h"
#include "muster/server/http/routes.h"

namespace muster::server::http {

/// An HTTP/1.1 listener: keep-alive, pipelining (answered in order, one at a time), chunked and
/// gzip bodies both ways, early refusal, slow-client time-outs, drain. Owns its I/O threads.
///
///   auto server = HttpServer::Listen(options, std::move(routes), RealClock());
///   ... server->port() ...
///   server->Drain(25s);      // stop accepting, finish what was read, close, join
class HttpServer {
 public:
  /// Binds and starts to accept. Errors: INVALID_ARGUMENT (options, address), UNAVAILABLE (port in
  /// use, no permission), naming host and port.
  static base::Result<std::unique_ptr<HttpServer>> Listen(const HttpOptions& options,
                                                          RouteTable routes, base::Clock& clock);
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual HttpStats stats() const = 0;
  /// Accepts the listener's backlog once more, then stops accepting; every request whose header was
  /// read completely is answered with `Connection: close`; half-read bodies get 503; idle
  /// connections are closed. Blocks until all are closed or `limit` has passed (then closes them).
  /// A second call from another thread shortens the limit. Not from a handler. Exchanges that were
  /// cut off, and whatever posts to their loops, must be gone before the server is destroyed.
  virtual void Drain(std::chrono::milliseconds limit) = 0;
};

}  // namespace muster::server::http
