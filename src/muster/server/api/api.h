#pragma once

#include <functional>
#include <string>

#include "muster/base/clock.h"
#include "muster/engine/engine.h"
#include "muster/server/codec/predict_json.h"
#include "muster/server/http/routes.h"
#include "muster/server/http/server.h"

namespace muster::server::api {

struct ApiOptions {
  std::string version;             ///< muster's own
  std::string config_json = "{}";  ///< the effective configuration, without secrets
  codec::DecodeLimits limits;
};

/// What the routes stand on; all of it outlives the server.
struct ApiContext {
  engine::Engine& engine;
  base::Clock& clock;
  ApiOptions options;
  base::TimePoint started;
  /// Numbers of the listeners, summed; may be empty.
  std::function<http::HttpStats()> http_stats;
};

/// Every route of the API on the main port, /openapi.json and the page at / included.
http::RouteTable ApiRoutes(const ApiContext& context);

/// Only what must answer when the main port is busy: live, ready, health and metrics.
http::RouteTable MonitoringRoutes(const ApiContext& context);

/// The Prometheus text of everything.
std::string MetricsText(const ApiContext& context);

}  // namespace muster::server::api
