#pragma once

#include <string>
#include <string_view>

#include "muster/server/api/api.h"
#include "muster/server/codec/json_writer.h"

namespace muster::server::api {

void AddPredictRoutes(http::RouteTable& table, const ApiContext& context);
void AddExampleRoutes(http::RouteTable& table, const ApiContext& context);
void AddModelRoutes(http::RouteTable& table, const ApiContext& context);
void AddHealthRoutes(http::RouteTable& table, const ApiContext& context);
void AddStatsRoutes(http::RouteTable& table, const ApiContext& context);
/// The Open Inference Protocol: inference, what there is to ask, and what has been done.
void AddInferRoutes(http::RouteTable& table, const ApiContext& context);
void AddInferModelRoutes(http::RouteTable& table, const ApiContext& context);
void AddInferStatsRoutes(http::RouteTable& table, const ApiContext& context);
void AddPageRoute(http::RouteTable& table, const ApiContext& context);

/// The JSON text of OpenAPI's components.schemas.
std::string_view ComponentSchemas();
/// {"$ref": "#/components/schemas/<name>"}
std::string SchemaRef(std::string_view name);

/// One model version as /models shows it.
void WriteModel(codec::JsonWriter& w, const engine::ModelStatus& status, bool detailed);

/// Decodes `body`, predicts, and calls `done` on the exchange's loop with the answer's JSON text or
/// an error; `exchange` gives the loop, the cancellation and the times.
void PredictJson(const ApiContext& context, const http::ExchangePtr& exchange,
                 std::span<const std::byte> body, codec::DecodeContext decode, std::string& out,
                 base::UniqueFunction<void(base::Status)> done);

}  // namespace muster::server::api
