// Statistics in the shape of Triton's statistics extension.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "muster/server/api/internal/routes.h"

namespace muster::server::api {
namespace {

using codec::JsonWriter;
using engine::ModelStatus;

void Count(JsonWriter& w, std::string_view key, std::uint64_t value) {
  w.Key(key);
  w.Number(value);
}

void WriteDuration(JsonWriter& w, std::string_view key, std::uint64_t count, std::uint64_t ns) {
  w.Key(key);
  w.BeginObject();
  Count(w, "count", count);
  Count(w, "ns", ns);
  w.EndObject();
}

/// Requests that are over and had no error. The counters are read one after the other, so that
/// under load the difference may be off by those that end meanwhile.
std::uint64_t Succeeded(const ModelStatus& m) {
  const batching::BatcherSnapshot& b = m.batcher;
  const std::uint64_t in_flight = b.requests - b.requests_answered - b.requests_refused -
                                  b.requests_expired - b.requests_cancelled;
  return m.request_count - std::min(m.request_count, m.error_count + in_flight);
}

/// Without a source here, and 0: the times of failed requests, of making a run's inputs and of
/// cutting its outputs, which are parts of `success` and not kept apart; and a cache, which there
/// is none of. `queue` counts requests that were run, `compute_infer` runs.
void WriteInferenceStats(JsonWriter& w, const ModelStatus& m) {
  w.Key("inference_stats");
  w.BeginObject();
  WriteDuration(w, "success", Succeeded(m), m.latency.sum);
  WriteDuration(w, "fail", m.error_count, 0);
  WriteDuration(w, "queue", m.batcher.queue_wait.count, m.batcher.queue_wait.sum);
  WriteDuration(w, "compute_input", 0, 0);
  WriteDuration(w, "compute_infer", m.batcher.run_time.count, m.batcher.run_time.sum);
  WriteDuration(w, "compute_output", 0, 0);
  WriteDuration(w, "cache_hit", 0, 0);
  WriteDuration(w, "cache_miss", 0, 0);
  w.EndObject();
}

void WriteModelStats(JsonWriter& w, const ModelStatus& m) {
  w.BeginObject();
  w.Key("name");
  w.String(m.name);
  w.Key("version");
  w.String(m.version);
  Count(w, "last_inference", 0);  // milliseconds since 1970: nobody notes that
  Count(w, "inference_count", m.batcher.rows_succeeded);
  Count(w, "execution_count", m.batcher.runs - std::min(m.batcher.runs, m.batcher.failed_runs));
  WriteInferenceStats(w, m);
  // Runs are counted by rows in a histogram, whose buckets are no sizes of batches.
  w.Key("batch_stats");
  w.BeginArray();
  w.EndArray();
  w.EndObject();
}

/// Of the versions that answer: all, those of a model, or one.
void ShowStats(const ApiContext& context, const http::ExchangePtr& exchange) {
  const std::string_view name = exchange->path_parameter("model");
  const std::string_view version = exchange->path_parameter("version");
  if (!name.empty()) {
    if (auto model = context.engine.Resolve(name, version); !model) {
      return exchange->SendError(model.error());
    }
  }
  JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("model_stats");
  w.BeginArray();
  for (const ModelStatus& m : context.engine.Models()) {
    const bool asked =
        (name.empty() || m.name == name) && (version.empty() || m.version == version);
    if (asked && m.lease) WriteModelStats(w, m);
  }
  w.EndArray();
  w.EndObject();
  exchange->Send(200, http::kJson);
}

}  // namespace

void AddInferStatsRoutes(http::RouteTable& table, const ApiContext& context) {
  for (const std::string_view pattern : {"/v2/models/stats", "/v2/models/{model}/stats",
                                         "/v2/models/{model}/versions/{version}/stats"}) {
    http::Route route;
    route.pattern = pattern;
    route.handler = [&context](const http::ExchangePtr& e) { ShowStats(context, e); };
    route.doc.summary = "Counters and times in the shape of Triton's";
    route.doc.tag = "v2";
    route.doc.response_schema = SchemaRef("InferStats");
    if (pattern.find('{') != std::string_view::npos) route.doc.errors = {400, 404, 503};
    table.Add(std::move(route));
  }
}

}  // namespace muster::server::api
