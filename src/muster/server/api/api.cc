#include "muster/server/api/api.h"

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

http::RouteTable ApiRoutes(const ApiContext& context) {
  http::RouteTable table;
  AddPageRoute(table, context);
  AddPredictRoutes(table, context);
  AddExampleRoutes(table, context);
  AddHealthRoutes(table, context);
  AddStatsRoutes(table, context);
  AddModelRoutes(table, context);
  AddInferRoutes(table, context);
  AddInferModelRoutes(table, context);
  AddInferStatsRoutes(table, context);
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
