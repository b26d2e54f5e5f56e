#include "muster/server/api/api.h"

#include <ctime>
#include <memory>
#include <utility>

#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

http::Route MetricsRoute(const ApiContext& context) {
  http::Route route;
  route.pattern = "/metrics";
  route.handler = [&context](const http::ExchangePtr& e) {
    e->out() += MetricsText(context);
    e->Send(200, "text/plain; version=0.0.4; charset=utf-8");
  };
  route.doc.summary = "Metrics in Prometheus' text format";
  route.doc.tag = "stats";
  route.doc.response_schema = R"({"type":"string"})";
  route.doc.response_type = "text/plain";
  return route;
}

}  // namespace

std::string IsoTime(base::WallTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since - seconds).count();
  const std::time_t t = seconds.count();
  std::tm utc{};
  gmtime_r(&t, &utc);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string millis = std::to_string(ms);
  return std::string(text, n) + "." + std::string(3 - millis.size(), '0') + millis + "Z";
}

http::RouteTable ApiRoutes(const ApiContext& context) {
  http::RouteTable table;
  AddPageRoute(table, context);
  AddPredictRoutes(table, context);
  AddExampleRoutes(table, context);
  AddHealthRoutes(table, context);
  AddStatsRoutes(table, context);
  AddModelRoutes(table, context);
  table.Add(MetricsRoute(context));
  // The document describes the whole table, itself included, so it is written last.
  auto document = std::make_shared<std::string>();
  http::Route openapi;
  openapi.pattern = "/openapi.json";
  openapi.handler = [document](const http::ExchangePtr& e) {
    e->out() += *document;
    e->Send(200, http::kJson);
  };
  openapi.doc.summary = "This document";
  openapi.doc.tag = "meta";
  openapi.doc.response_schema = R"({"type":"object"})";
  table.Add(std::move(openapi));
  *document = http::OpenApiJson(table, "muster", context.options.version, ComponentSchemas());
  return table;
}

http::RouteTable MonitoringRoutes(const ApiContext& context) {
  http::RouteTable table;
  AddHealthRoutes(table, context);
  table.Add(MetricsRoute(context));
  return table;
}

}  // namespace muster::server::api
