// What there is to ask, as the Open Inference Protocol says it: server, health, models, repository.

#include <string>
#include <utility>
#include <vector>

#include "muster/server/api/internal/routes.h"
#include "muster/server/codec/infer.h"
#include "muster/server/codec/repository_json.h"

namespace muster::server::api {
namespace {

using codec::JsonWriter;
using engine::ModelStatus;

using Handle = void (*)(const ApiContext&, const http::ExchangePtr&);

void ShowServer(const ApiContext& context, const http::ExchangePtr& exchange) {
  JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("name");
  w.String("muster");
  w.Key("version");
  w.String(context.options.version);
  w.Key("extensions");
  w.BeginArray();
  // Of Triton's extensions; clients look here before they use one.
  for (const std::string_view name :
       {"classification", "schedule_policy", "binary_tensor_data", "statistics"}) {
    w.String(name);
  }
  w.EndArray();
  w.EndObject();
  exchange->Send(200, http::kJson);
}

/// The status alone is the answer.
void Probe(const http::ExchangePtr& exchange, bool ok) {
  exchange->out() += "{}";
  exchange->Send(ok ? 200 : 503, http::kJson);
}

void Live(const ApiContext& context, const http::ExchangePtr& exchange) {
  Probe(exchange, context.engine.Health().live);
}

void Ready(const ApiContext& context, const http::ExchangePtr& exchange) {
  Probe(exchange, context.engine.Health().ready);
}

base::Result<engine::ModelLease> Named(const ApiContext& context, const http::Exchange& exchange) {
  return context.engine.Resolve(exchange.path_parameter("model"),
                                exchange.path_parameter("version"));
}

void ModelReady(const ApiContext& context, const http::ExchangePtr& exchange) {
  const auto model = Named(context, *exchange);
  model ? Probe(exchange, true) : exchange->SendError(model.error());
}

void ShowModel(const ApiContext& context, const http::ExchangePtr& exchange) {
  const auto model = Named(context, *exchange);
  if (!model) return exchange->SendError(model.error());
  std::vector<std::string> versions;  // that answer
  for (ModelStatus& m : context.engine.Models()) {
    if (m.lease && m.name == (*model)->name) versions.push_back(std::move(m.version));
  }
  codec::WriteModelMetadata(exchange->out(), **model, versions);
  exchange->Send(200, http::kJson);
}

/// As clients of Triton know them.
std::string_view StateName(registry::VersionState state) {
  switch (state) {
    case registry::VersionState::kLoading:
      return "LOADING";
    case registry::VersionState::kReady:
      return "READY";
    case registry::VersionState::kFailed:
      break;
  }
  return "UNAVAILABLE";
}

void ListRepository(const ApiContext& context, const http::ExchangePtr& exchange) {
  const auto ready_only = codec::ReadIndexRequest(exchange->body(), context.options.limits);
  if (!ready_only) return exchange->SendError(ready_only.error());
  JsonWriter w(exchange->out());
  w.BeginArray();
  for (const ModelStatus& m : context.engine.Models()) {
    if (*ready_only && m.state != registry::VersionState::kReady) continue;
    w.BeginObject();
    w.Key("name");
    w.String(m.name);
    w.Key("version");
    w.String(m.version);
    w.Key("state");
    w.String(StateName(m.state));
    w.Key("reason");
    w.String(m.reason);
    w.EndObject();
  }
  w.EndArray();
  exchange->Send(200, http::kJson);
}

http::Route GetRoute(const ApiContext& context, std::string pattern, Handle handle,
                     http::RouteDoc doc) {
  http::Route route;
  route.pattern = std::move(pattern);
  route.handler = [&context, handle](const http::ExchangePtr& e) { handle(context, e); };
  route.doc = std::move(doc);
  route.doc.tag = "v2";
  return route;
}

http::RouteDoc Doc(std::string summary, std::string_view schema, std::vector<int> errors = {}) {
  http::RouteDoc doc;
  doc.summary = std::move(summary);
  doc.response_schema = SchemaRef(schema);
  doc.errors = std::move(errors);
  return doc;
}

http::Route IndexRoute(const ApiContext& context) {
  http::Route route = GetRoute(
      context, "/v2/repository/index", ListRepository,
      Doc("All versions of all models with their state", "RepositoryIndex", {400, 408, 413, 415}));
  route.method = http::Method::kPost;
  route.body_types = {std::string(http::kJson)};
  route.doc.request_schema = SchemaRef("RepositoryIndexRequest");
  return route;
}

}  // namespace

void AddInferModelRoutes(http::RouteTable& table, const ApiContext& context) {
  table.Add(GetRoute(context, "/v2", ShowServer, Doc("What this server is", "InferServer")));
  table.Add(GetRoute(context, "/v2/health/live", Live,
                     Doc("Is the process alive: 200 or 503", "InferProbe", {503})));
  table.Add(GetRoute(context, "/v2/health/ready", Ready,
                     Doc("Should it be sent requests: 200 or 503", "InferProbe", {503})));
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    table.Add(
        GetRoute(context, model, ShowModel,
                 Doc("A model's inputs, outputs and versions", "InferModel", {400, 404, 503})));
    table.Add(GetRoute(context, model + "/ready", ModelReady,
                       Doc("Does a model answer: 200, 404 or 503", "InferProbe", {400, 404, 503})));
  }
  table.Add(IndexRoute(context));
}

}  // namespace muster::server::api
