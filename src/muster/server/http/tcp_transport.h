#pragma once

#include <memory>

#include "muster/server/http/transport.h"

namespace muster::server::http {

class AsioLoop;

/// A Transport over `fd`, a connected, non-blocking TCP socket, which it owns from now on. While it
/// watches for the peer's leaving, an end of stream behind unread bytes stays unnoticed until they
/// are read; a reset is always noticed. The loop must run until the completions of the transport
/// have run; the transport itself may be destroyed before.
std::unique_ptr<Transport> MakeTcpTransport(AsioLoop& loop, int fd);

}  // namespace muster::server::http
