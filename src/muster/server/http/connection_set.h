#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/loop.h"
#include "muster/server/http/body_buffer.h"
#include "muster/server/http/gzip.h"
#include "muster/server/http/options.h"
#include "muster/server/http/response.h"
#include "muster/server/http/routes.h"
#include "muster/server/http/transport.h"
#include "muster/telemetry/counter.h"
#include "muster/telemetry/log_limiter.h"

namespace muster::server::http {

class Connection;

/// What all loops of one server share; outlives them.
struct ServerContext {
  ServerContext(const HttpOptions& http_options, RouteTable route_table, base::Clock& steady)
      : options(http_options),
        routes(std::move(route_table)),
        clock(steady),
        budget(http_options.max_receiving_bytes) {}

  const HttpOptions options;
  const RouteTable routes;
  base::Clock& clock;
  ReceiveBudget budget;
  std::atomic<std::size_t> open_connections{0};  // counted when accepted
};

/// The connections of one loop, and what they share there: the sweep that ends slow and idle ones
/// (one timer for all), the date, the compressor, the counters. Only `stats` may be called from
/// another thread. All connections must be gone (Drain, CloseAll) before it is destroyed.
class ConnectionSet {
 public:
  struct Counters {
    telemetry::Counter requests;
    std::array<telemetry::Counter, 6> responses_by_class;
    telemetry::Counter client_gone;
    telemetry::Counter protocol_errors;
  };

  ConnectionSet(base::Loop& loop, ServerContext& context);
  ~ConnectionSet();
  /// Serves `transport`; ServerContext::open_connections already counts it.
  void Add(std::unique_ptr<Transport> transport);
  /// See HttpServer::Drain. `empty` is called once all connections are gone, perhaps at once.
  void Drain(std::function<void()> empty);
  /// Drain's limit has passed: executing requests get 503, then everything is closed.
  void CloseAll();
  void AddTo(HttpStats& stats) const;

  // For connections.
  void Remove(Connection& connection);
  base::Loop& loop() { return loop_; }
  ServerContext& context() { return context_; }
  const HttpOptions& options() const { return context_.options; }
  Counters& counters() { return counters_; }
  telemetry::LogLimiter& log_limiter() { return log_limiter_; }
  bool draining() const { return draining_; }
  std::string_view Date(base::TimePoint now) { return date_.At(now); }
  /// `plain` compressed, in a buffer that lives until the next call.
  std::string_view Compress(Coding coding, std::string_view plain);
  /// "req_" and 16 digits: base::NewRequestId's form, without its allocation.
  void NewRequestId(std::string& out);

 private:
  void ArmSweep();
  void Sweep();
  /// Runs `task` after the loop has looked at all sockets once more.
  void AfterSocketsWereRead(int rounds, base::Loop::Task task);
  void ReportIfEmpty();

  base::Loop& loop_;
  ServerContext& context_;
  std::vector<std::shared_ptr<Connection>> connections_;
  Counters counters_;
  telemetry::LogLimiter log_limiter_{1000};  // lines a second
  DateText date_;
  Deflater deflater_;
  std::string compressed_;
  std::uint64_t next_id_;
  bool sweeping_ = false;
  bool draining_ = false;
  bool closing_ = false;
  base::Loop::TimerId sweep_ = 0;
  std::function<void()> empty_;
};

}  // namespace muster::server::http
