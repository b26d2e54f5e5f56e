#include <utility>

#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

using codec::JsonWriter;
using engine::ModelStatus;

void Field(JsonWriter& w, std::string_view key, std::string_view value) {
  w.Key(key);
  w.String(value);
}

void Field(JsonWriter& w, std::string_view key, std::uint64_t value) {
  w.Key(key);
  w.Number(value);
}

void Field(JsonWriter& w, std::string_view key, double value) {
  w.Key(key);
  w.Number(value);
}

void WriteTensors(JsonWriter& w, std::string_view key,
                  const std::vector<model::TensorSpec>& specs) {
  w.Key(key);
  w.BeginArray();
  for (const model::TensorSpec& spec : specs) {
    w.BeginObject();
    Field(w, "name", spec.name);
    Field(w, "datatype", tensor::DTypeName(spec.dtype));
    w.Key("shape");
    w.BeginArray();
    for (const model::Dim& dim : spec.dims) w.Number(dim.size);
    w.EndArray();
    w.EndObject();
  }
  w.EndArray();
}

void WriteHistogram(JsonWriter& w, std::string_view key, const telemetry::HistogramSnapshot& h) {
  w.Key(key);
  w.BeginObject();
  Field(w, "count", h.count);
  for (const auto& [name, p] : {std::pair{"p50_ms", 50.0}, {"p95_ms", 95.0}, {"p99_ms", 99.0}}) {
    Field(w, name, static_cast<double>(h.Percentile(p)) / 1e6);
  }
  Field(w, "max_ms", static_cast<double>(h.max) / 1e6);
  w.EndObject();
}

void WriteLearned(JsonWriter& w, const batching::BatcherSnapshot& b) {
  Field(w, "offered_load", b.offered_load);
  Field(w, "efficient_batch_size", static_cast<std::uint64_t>(b.efficient_rows));
  w.Key("latency_curve");
  w.BeginArray();
  for (const batching::CurvePoint& point : b.curve) {
    w.BeginObject();
    Field(w, "rows", point.rows);
    Field(w, "median_ms", base::ToMillis(point.typical));
    Field(w, "upper_ms", base::ToMillis(point.upper));
    Field(w, "runs", point.runs);
    w.EndObject();
  }
  w.EndArray();
}

void WriteBatching(JsonWriter& w, const ModelStatus& m) {
  const batching::BatcherSnapshot& b = m.batcher;
  w.Key("batching");
  w.BeginObject();
  Field(w, "policy", batching::PolicyKindName(b.policy));
  w.Key("batchable");
  w.Bool(m.batchable);
  if (!m.batchable) Field(w, "reason", m.batchable_reason);
  w.Key("batch_invariant");
  w.BeginObject();
  Field(w, "found", batching::BatchInvarianceName(m.invariance));
  Field(w, "compared_rows", static_cast<std::uint64_t>(m.compared_rows));
  w.Key("enforced");
  w.Bool(m.invariance_enforced);
  w.EndObject();
  Field(w, "max_batch_size", static_cast<std::uint64_t>(b.max_batch_size));
  Field(w, "instances", static_cast<std::uint64_t>(b.instances));
  Field(w, "max_queue_rows", static_cast<std::uint64_t>(b.max_queue_rows));
  Field(w, "waiting_rows", static_cast<std::uint64_t>(b.waiting_rows));
  Field(w, "waiting_requests", static_cast<std::uint64_t>(b.waiting_requests));
  Field(w, "oldest_wait_ms", base::ToMillis(b.oldest_wait));
  Field(w, "running", static_cast<std::uint64_t>(b.running));
  Field(w, "running_rows", static_cast<std::uint64_t>(b.running_rows));
  Field(w, "runs", b.runs);
  Field(w, "failed_runs", b.failed_runs);
  Field(w, "caller_runs", b.caller_runs);
  Field(w, "wakeups", b.wakeups);
  w.Key("launches");
  w.BeginObject();
  for (std::size_t i = 0; i < b.launches.size(); ++i) {
    Field(w, batching::LaunchReasonName(static_cast<batching::LaunchReason>(i)), b.launches[i]);
  }
  w.EndObject();
  w.Key("batch_rows");
  w.BeginObject();
  Field(w, "mean", b.batch_rows.mean());
  Field(w, "p50", b.batch_rows.Percentile(50));
  Field(w, "max", b.batch_rows.max);
  w.EndObject();
  WriteHistogram(w, "queue_wait", b.queue_wait);
  WriteHistogram(w, "run_time", b.run_time);
  WriteLearned(w, b);
  w.EndObject();
}

void WriteBreaker(JsonWriter& w, const registry::BreakerSnapshot& breaker) {
  w.Key("breaker");
  w.BeginObject();
  Field(w, "state", registry::BreakerStateName(breaker.state));
  Field(w, "opened", breaker.opened());
  Field(w, "refused", breaker.refused);
  Field(w, "retry_after_ms", static_cast<std::uint64_t>(breaker.retry_after.count()));
  w.EndObject();
}

void WriteCounters(JsonWriter& w, const ModelStatus& m) {
  Field(w, "request_count", m.request_count);
  Field(w, "error_count", m.error_count);
  Field(w, "rows", m.batcher.rows);
  Field(w, "rows_succeeded", m.batcher.rows_succeeded);
  Field(w, "rows_failed", m.batcher.rows_failed);
  Field(w, "refused", m.batcher.requests_refused);
  Field(w, "expired_in_queue", m.batcher.requests_expired);
  Field(w, "cancelled", m.batcher.requests_cancelled);
  WriteHistogram(w, "latency", m.latency);
}

void WriteModelFields(JsonWriter& w, const ModelStatus& m, bool detailed) {
  Field(w, "name", m.name);
  Field(w, "version", m.version);
  Field(w, "state", registry::VersionStateName(m.state));
  if (!m.reason.empty()) Field(w, "reason", m.reason);
  w.Key("default");
  w.Bool(m.is_default);
  w.Key(m.lease ? "created_at" : "changed_at");
  w.Time(m.changed_at);
  if (m.lease) {
    const registry::ServedVersion& v = *m.lease;
    const std::string& description =
        v.config.description.empty() ? v.spec.description : v.config.description;
    if (!description.empty()) Field(w, "description", description);
    Field(w, "format", v.spec.format);
    Field(w, "file_bytes", m.file_bytes);
    WriteTensors(w, "inputs", v.spec.inputs);
    WriteTensors(w, "outputs", v.spec.outputs);
    w.Key("labels");
    w.BeginArray();
    for (const std::string& label : v.spec.labels) w.String(label);
    w.EndArray();
    Field(w, "request_count", m.request_count);
    Field(w, "error_count", m.error_count);
    WriteBatching(w, m);
    WriteBreaker(w, m.breaker);
    if (detailed) {
      w.Key("stats");
      w.BeginObject();
      WriteCounters(w, m);
      w.EndObject();
    }
  }
}

void ListModels(const ApiContext& context, const http::ExchangePtr& exchange) {
  JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("models");
  w.BeginArray();
  for (const ModelStatus& m : context.engine.Models()) WriteModel(w, m, false);
  w.EndArray();
  w.EndObject();
  exchange->Send(200, http::kJson);
}

void ShowModel(const ApiContext& context, const http::ExchangePtr& exchange) {
  const std::string_view name = exchange->path_parameter("model");
  std::vector<ModelStatus> versions;
  for (ModelStatus& m : context.engine.Models()) {
    if (m.name == name) versions.push_back(std::move(m));
  }
  if (versions.empty()) {
    auto missing = context.engine.Resolve(name, "");
    return exchange->SendError(missing ? base::NotFound("no such model", "MODEL_NOT_FOUND")
                                       : missing.error());
  }
  // The version that answers requests which name none: the last that is ready.
  const ModelStatus* current = &versions.back();
  for (const ModelStatus& m : versions) {
    if (m.lease) current = &m;
  }
  JsonWriter w(exchange->out());
  w.BeginObject();
  WriteModelFields(w, *current, true);
  w.Key("versions");
  w.BeginArray();
  for (const ModelStatus& m : versions) WriteModel(w, m, true);
  w.EndArray();
  w.EndObject();
  exchange->Send(200, http::kJson);
}

}  // namespace

void WriteModel(JsonWriter& w, const ModelStatus& m, bool detailed) {
  w.BeginObject();
  WriteModelFields(w, m, detailed);
  w.EndObject();
}

void AddModelRoutes(http::RouteTable& table, const ApiContext& context) {
  http::Route list;
  list.pattern = "/models";
  list.handler = [&context](const http::ExchangePtr& e) { ListModels(context, e); };
  list.doc = {.summary = "All models with their versions and state",
              .tag = "models",
              .request_schema = "",
              .response_schema = SchemaRef("ModelList")};
  table.Add(std::move(list));
  http::Route show;
  show.pattern = "/models/{model}";
  show.handler = [&context](const http::ExchangePtr& e) { ShowModel(context, e); };
  show.doc = {.summary = "One model: its versions, interface, batching and counters",
              .tag = "models",
              .request_schema = "",
              .response_schema = SchemaRef("ModelDetail")};
  show.doc.errors = {400, 404};
  table.Add(std::move(show));
}

}  // namespace muster::server::api
