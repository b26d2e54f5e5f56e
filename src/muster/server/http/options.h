#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "muster/base/result.h"

namespace muster::server::http {

/// Limits and time-outs of an HTTP listener. Defaults are safe for an open network.
struct HttpOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;               ///< 0: a free one
  int threads = 1;                         ///< I/O threads, each with a loop of its own
  std::size_t max_body_bytes = 64u << 20;  ///< received and decompressed alike
  std::size_t max_header_bytes = 32u << 10;
  std::size_t max_url_bytes = 8u << 10;
  std::size_t max_header_fields = 100;
  std::size_t max_chunks = 65'536;
  std::size_t max_pipelined_bytes = 64u << 10;
  std::size_t max_receiving_bytes = 512u << 20;  ///< of all connections together
  int max_connections = 0;                       ///< 0: half of the descriptor limit
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};  ///< without any progress
  std::size_t min_body_bytes_per_second = 1024;     ///< after the first 10 s
  bool cancel_on_half_close = true;
  /// Origins a browser page may call from ("http://localhost:3000" or "*"); none by default.
  std::vector<std::string> cors_origins = {};
  std::size_t gzip_min_bytes = 1024;  ///< smaller answers are never compressed

  base::Status Validate() const;
};

/// Numbers of one listener, for /metrics and /stats.
struct HttpStats {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t requests = 0;                // headers completely read
  std::uint64_t responses_by_class[6] = {};  // [2] = 2xx, …
  std::uint64_t client_gone = 0;             // answers nobody was left to read
  std::uint64_t protocol_errors = 0;         // refused and closed: not HTTP, too large, too slow
};

}  // namespace muster::server::http
