#include <utility>

#include "muster/server/api/internal/process_info.h"
#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

using codec::JsonWriter;

/// Sums over all models that /health and /stats show.
struct Totals {
  std::uint64_t requests = 0;
  std::int64_t waiting = 0;
  std::int64_t bound = 0;
  int running = 0;
  telemetry::HistogramSnapshot latency;
};

Totals Sum(const std::vector<engine::ModelStatus>& models) {
  Totals t;
  for (const engine::ModelStatus& m : models) {
    t.requests += m.request_count;
    t.waiting += m.batcher.waiting_rows;
    t.bound += m.batcher.max_queue_rows;
    t.running += m.batcher.running;
    t.latency += m.latency;
  }
  return t;
}

struct Checks {
  bool inference_engine, model_loaded, device_available, memory_usage, queue_status;
  bool all() const {
    return inference_engine && model_loaded && device_available && memory_usage && queue_status;
  }
};

void WriteChecks(JsonWriter& w, const Checks& c) {
  w.Key("checks");
  w.BeginObject();
  for (const auto& [name, ok] : {std::pair{"inference_engine", c.inference_engine},
                                 {"model_loaded", c.model_loaded},
                                 {"device_available", c.device_available},
                                 {"memory_usage", c.memory_usage},
                                 {"queue_status", c.queue_status}}) {
    w.Key(name);
    w.Bool(ok);
  }
  w.EndObject();
}

void WriteEngineStats(JsonWriter& w, const Totals& t, const MemoryInfo& memory) {
  w.Key("engine_stats");
  w.BeginObject();
  w.Key("requests_processed");
  w.Number(t.requests);
  w.Key("average_processing_time");  // seconds
  w.Number(t.latency.mean() / 1e9);
  w.Key("queue_length");
  w.Number(t.waiting);
  w.Key("active_workers");
  w.Number(t.running);
  w.Key("total_memory_mb");
  w.Number(static_cast<double>(memory.total_bytes) / 1048576.0);
  w.Key("available_memory_mb");
  w.Number(static_cast<double>(memory.available_bytes) / 1048576.0);
  w.EndObject();
}

void Health(const ApiContext& context, const http::ExchangePtr& exchange) {
  const engine::HealthReport report = context.engine.Health();
  const std::vector<engine::ModelStatus> models = context.engine.Models();
  const Totals totals = Sum(models);
  const MemoryInfo memory = ReadMemoryInfo();
  Checks checks{};
  checks.inference_engine = report.live;
  for (const engine::ModelStatus& m : models) checks.model_loaded |= m.lease != nullptr;
  checks.device_available = report.live;
  // Below 5 % of free memory the kernel may end us at any allocation.
  checks.memory_usage = memory.available_bytes * 20 > memory.total_bytes;
  checks.queue_status = totals.bound == 0 || totals.waiting < totals.bound;
  const bool healthy = report.ready && checks.model_loaded;
  const bool degraded = report.degraded || !checks.all();
  JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("healthy");
  w.Bool(healthy);
  w.Key("status");
  w.String(!healthy ? "unhealthy" : degraded ? "degraded" : "healthy");
  WriteChecks(w, checks);
  w.Key("problems");
  w.BeginArray();
  for (const std::string& problem : report.problems) w.String(problem);
  w.EndArray();
  w.Key("timestamp");
  w.Time(context.clock.WallNow());
  WriteEngineStats(w, totals, memory);
  w.EndObject();
  exchange->Send(200, http::kJson);
}

void Probe(const http::ExchangePtr& exchange, bool ok, std::string_view yes, std::string_view no) {
  JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("status");
  w.String(ok ? yes : no);
  w.EndObject();
  exchange->Send(ok ? 200 : 503, http::kJson);
}

http::Route HealthRoute(std::string pattern, std::string summary, std::string_view schema,
                        http::Handler handler) {
  http::Route route;
  route.pattern = std::move(pattern);
  route.handler = std::move(handler);
  route.doc.summary = std::move(summary);
  route.doc.tag = "health";
  route.doc.response_schema = SchemaRef(schema);
  return route;
}

}  // namespace

void AddHealthRoutes(http::RouteTable& table, const ApiContext& context) {
  table.Add(HealthRoute("/health", "Health of the whole server, with what is wrong", "Health",
                        [&context](const http::ExchangePtr& e) { Health(context, e); }));
  http::Route live = HealthRoute("/health/live", "Is the process alive", "Probe",
                                 [&context](const http::ExchangePtr& e) {
                                   Probe(e, context.engine.Health().live, "live", "stuck");
                                 });
  live.doc.errors = {503};
  table.Add(std::move(live));
  http::Route ready =
      HealthRoute("/health/ready", "Should it be sent requests", "Probe",
                  [&context](const http::ExchangePtr& e) {
                    const engine::HealthReport report = context.engine.Health();
                    Probe(e, report.ready, "ready", report.draining ? "draining" : "loading");
                  });
  ready.doc.errors = {503};
  table.Add(std::move(ready));
}

}  // namespace muster::server::api
