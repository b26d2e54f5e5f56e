#include <utility>

#include "muster/engine/local_engine.h"
#include "muster/server/api/internal/process_info.h"
#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

using codec::JsonWriter;
using engine::ModelStatus;

/// What one model, or all together, has done.
struct Figures {
  std::uint64_t requests = 0, errors = 0, rows = 0, runs = 0;
  std::int64_t waiting_rows = 0;
  telemetry::HistogramSnapshot latency;

  void Add(const ModelStatus& m) {
    requests += m.request_count;
    errors += m.error_count;
    rows += m.batcher.rows;
    runs += m.batcher.runs;
    waiting_rows += m.batcher.waiting_rows;
    latency += m.latency;
  }
};

void Number(JsonWriter& w, std::string_view key, double value) {
  w.Key(key);
  w.Number(value);
}

void Count(JsonWriter& w, std::string_view key, std::uint64_t value) {
  w.Key(key);
  w.Number(value);
}

void WriteStats(JsonWriter& w, const Figures& f, double uptime) {
  w.Key("stats");
  w.BeginObject();
  Number(w, "uptime_seconds", uptime);
  Count(w, "requests_processed", f.requests);
  Count(w, "errors", f.errors);
  Count(w, "rows", f.rows);
  Count(w, "runs", f.runs);
  Number(w, "average_batch_rows",
         f.runs == 0 ? 0 : static_cast<double>(f.rows) / static_cast<double>(f.runs));
  Count(w, "queue_length", static_cast<std::uint64_t>(f.waiting_rows));
  w.EndObject();
}

void WriteReport(JsonWriter& w, const Figures& f, double uptime) {
  w.Key("performance_report");
  w.BeginObject();
  Number(w, "throughput", uptime > 0 ? static_cast<double>(f.requests) / uptime : 0);
  w.Key("latency");
  w.BeginObject();
  for (const auto& [name, p] :
       {std::pair{"p50_ms", 50.0}, {"p90_ms", 90.0}, {"p95_ms", 95.0}, {"p99_ms", 99.0}}) {
    Number(w, name, static_cast<double>(f.latency.Percentile(p)) / 1e6);
  }
  w.EndObject();
  Number(w, "error_rate",
         f.requests == 0 ? 0 : static_cast<double>(f.errors) / static_cast<double>(f.requests));
}

void WriteResources(JsonWriter& w, double uptime) {
  const MemoryInfo memory = ReadMemoryInfo();
  w.Key("resource_usage");
  w.BeginObject();
  Number(w, "resident_memory_mb", static_cast<double>(memory.resident_bytes) / 1048576.0);
  Number(w, "available_memory_mb", static_cast<double>(memory.available_bytes) / 1048576.0);
  Number(w, "cpu_seconds", ProcessCpuSeconds());
  Number(w, "average_cores", uptime > 0 ? ProcessCpuSeconds() / uptime : 0);
  w.EndObject();
}

void WriteHttp(JsonWriter& w, const http::HttpStats& h) {
  w.Key("http");
  w.BeginObject();
  Count(w, "connections_open", h.connections_open);
  Count(w, "connections_accepted", h.connections_accepted);
  Count(w, "connections_refused", h.connections_refused);
  Count(w, "requests", h.requests);
  Count(w, "client_gone", h.client_gone);
  Count(w, "protocol_errors", h.protocol_errors);
  w.Key("responses");
  w.BeginObject();
  constexpr std::string_view kClasses[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 1; i < 6; ++i) Count(w, kClasses[i], h.responses_by_class[i]);
  w.EndObject();
  w.EndObject();
}

void Stats(const ApiContext& context, const http::ExchangePtr& exchange) {
  const double uptime = base::ToMillis(context.clock.Now() - context.started) / 1e3;
  const std::vector<ModelStatus> models = context.engine.Models();
  Figures all;
  for (const ModelStatus& m : models) all.Add(m);
  JsonWriter w(exchange->out());
  w.BeginObject();
  WriteStats(w, all, uptime);
  WriteReport(w, all, uptime);
  WriteResources(w, uptime);
  w.EndObject();
  if (context.http_stats) WriteHttp(w, context.http_stats());
  w.Key("models");
  w.BeginArray();
  for (const ModelStatus& m : models) {
    Figures f;
    f.Add(m);
    w.BeginObject();
    w.Key("name");
    w.String(m.name);
    w.Key("version");
    w.String(m.version);
    WriteStats(w, f, uptime);
    WriteReport(w, f, uptime);
    w.EndObject();
    w.EndObject();
  }
  w.EndArray();
  w.Key("timestamp");
  w.Time(context.clock.WallNow());
  w.EndObject();
  exchange->Send(200, http::kJson);
}

void CollectHttp(const http::HttpStats& h, telemetry::Exposition& page) {
  page.Gauge("muster_http_connections", "Open connections.", {},
             static_cast<double>(h.connections_open));
  page.Counter("muster_http_connections_total", "Connections accepted.", {},
               static_cast<double>(h.connections_accepted));
  page.Counter("muster_http_connections_refused_total", "Connections refused at the cap.", {},
               static_cast<double>(h.connections_refused));
  page.Counter("muster_http_requests_total", "Requests whose header was read.", {},
               static_cast<double>(h.requests));
  for (std::size_t i = 1; i < 6; ++i) {
    page.Counter("muster_http_responses_total", "Answers by class of status.",
                 {{"class", std::to_string(i) + "xx"}},
                 static_cast<double>(h.responses_by_class[i]));
  }
  page.Counter("muster_http_client_gone_total", "Answers nobody was left to read.", {},
               static_cast<double>(h.client_gone));
  page.Counter("muster_http_protocol_errors_total", "Connections closed for what was not HTTP.", {},
               static_cast<double>(h.protocol_errors));
}

}  // namespace

std::string MetricsText(const ApiContext& context) {
  telemetry::Exposition page;
  engine::Collect(context.engine, page);
  if (context.http_stats) CollectHttp(context.http_stats(), page);
  const MemoryInfo memory = ReadMemoryInfo();
  page.Gauge("process_resident_memory_bytes", "Resident memory.", {},
             static_cast<double>(memory.resident_bytes));
  page.Counter("process_cpu_seconds_total", "CPU time, user and system.", {}, ProcessCpuSeconds());
  page.Gauge("muster_info", "Always 1; the version is in the label.",
             {{"version", context.options.version}}, 1);
  return page.Text();
}

void AddStatsRoutes(http::RouteTable& table, const ApiContext& context) {
  http::Route stats;
  stats.pattern = "/stats";
  stats.handler = [&context](const http::ExchangePtr& e) { Stats(context, e); };
  stats.doc.summary = "Counters and latency over all models and per model";
  stats.doc.tag = "stats";
  stats.doc.response_schema = SchemaRef("Stats");
  table.Add(std::move(stats));
  http::Route config;
  config.pattern = "/config";
  config.handler = [&context](const http::ExchangePtr& e) {
    e->out() += context.options.config_json;
    e->Send(200, http::kJson);
  };
  config.doc.summary = "The effective configuration, without secrets";
  config.doc.tag = "stats";
  config.doc.response_schema = SchemaRef("Config");
  table.Add(std::move(config));
}

}  // namespace muster::server::api
