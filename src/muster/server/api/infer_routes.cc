// Inference by the Open Inference Protocol: /v2/models/{model}[/versions/{version}]/infer.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "muster/base/recycled.h"
#include "muster/server/api/internal/raw_predict.h"
#include "muster/server/api/internal/request.h"
#include "muster/server/api/internal/routes.h"
#include "muster/server/codec/infer.h"

namespace muster::server::api {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;

/// Of a request and of an answer with tensors in binary: bytes of the JSON before them.
constexpr std::string_view kJsonBytes = "Inference-Header-Content-Length";

/// What that says of a request; none: all of the body is JSON. Errors: INVALID_ARGUMENT "BINARY".
Result<std::optional<std::size_t>> JsonBytes(const http::Exchange& exchange) {
  const std::string_view text = exchange.header(kJsonBytes);
  if (text.empty()) return std::optional<std::size_t>();
  const auto bytes = WholeNumber<std::size_t>(text);
  if (bytes) return bytes;
  return InvalidArgument("header " + std::string(kJsonBytes) + ": expected a whole number of bytes",
                         "BINARY");
}

/// One request on its way.
struct InferFlow {
  InferFlow(http::ExchangePtr of, codec::InferRequest decoded)
      : exchange(std::move(of)), request(std::move(decoded)) {}

  const http::ExchangePtr exchange;
  codec::InferRequest request;
};

Result<codec::InferRequest> ReadRequest(const ApiContext& context, http::Exchange& exchange) {
  const codec::DecodeLimits& limits = context.options.limits;
  MUSTER_ASSIGN_OR_RETURN(const auto timeout, TimeoutHeader(exchange, limits.max_timeout));
  MUSTER_ASSIGN_OR_RETURN(const auto json_bytes, JsonBytes(exchange));
  if (const std::size_t bytes = exchange.body().size(); json_bytes && *json_bytes > bytes) {
    return InvalidArgument("header " + std::string(kJsonBytes) + ": expected at most the " +
                               std::to_string(bytes) + " bytes of the body, got " +
                               std::to_string(*json_bytes),
                           "BINARY");
  }
  MUSTER_ASSIGN_OR_RETURN(engine::ModelLease model, ResolvePath(context, exchange));
  MUSTER_ASSIGN_OR_RETURN(
      codec::InferRequest request,
      codec::DecodeInfer(TakeBody(exchange), json_bytes, std::move(model), limits));
  request.timeout = Sooner(timeout, request.timeout);
  return request;
}

engine::PredictRequest ToEngine(InferFlow& flow) {
  engine::PredictRequest request;
  request.model = flow.request.model;
  request.inputs = std::move(flow.request.inputs);
  request.rows = flow.request.rows;
  // Its answer has no place for a row that failed.
  request.isolation = engine::Isolation::kRequest;
  request.priority = flow.request.priority;
  request.timeout = flow.request.timeout;
  request.announced = IsAnnounced(*flow.exchange);
  request.cancelled = flow.exchange->cancelled();
  return request;
}

void Answer(const InferFlow& flow, const codec::CallResult& result) {
  http::Exchange& exchange = *flow.exchange;
  const auto json_bytes = codec::EncodeInfer(exchange.out(), flow.request, result);
  if (!json_bytes) return exchange.SendError(json_bytes.error());
  if (!*json_bytes) return exchange.Send(200, http::kJson);
  exchange.AddHeader(kJsonBytes, std::to_string(**json_bytes));
  exchange.Send(200, kRaw);
}

void Infer(const ApiContext& context, const http::ExchangePtr& exchange) {
  auto request = ReadRequest(context, *exchange);
  if (!request) return exchange->SendError(request.error());
  const auto flow =
      std::allocate_shared<InferFlow>(base::Recycled<InferFlow>(), exchange, *std::move(request));
  context.engine.Predict(ToEngine(*flow), &exchange->loop(),
                         [flow](const codec::CallResult& result) { Answer(*flow, result); });
}

/// Refuses before the body is read: headers that make no sense, an unknown or unready model, a
/// large body that the model has no time for.
Status Admit(const ApiContext& context, const http::Exchange& exchange) {
  MUSTER_ASSIGN_OR_RETURN(const auto timeout,
                          TimeoutHeader(exchange, context.options.limits.max_timeout));
  MUSTER_RETURN_IF_ERROR(JsonBytes(exchange));
  return AdmitModel(context, exchange, timeout);
}

http::Route InferRoute(const ApiContext& context, std::string pattern) {
  http::Route route;
  route.method = http::Method::kPost;
  route.pattern = std::move(pattern);
  route.body_types = {std::string(http::kJson), std::string(kRaw)};
  // Triton's own Python client names none, whatever it sends.
  route.type_optional = true;
  route.handler = [&context](const http::ExchangePtr& exchange) { Infer(context, exchange); };
  route.admit = [&context](const http::Exchange& exchange) { return Admit(context, exchange); };
  route.doc.summary = "Inference, in JSON or with the bytes of tensors behind it";
  route.doc.tag = "v2";
  route.doc.request_schema = SchemaRef("InferRequest");
  route.doc.response_schema = SchemaRef("InferResponse");
  route.doc.other_response_types = {std::string(kRaw)};
  route.doc.errors = {400, 404, 408, 413, 415, 422, 500, 501, 503, 504};
  route.doc.headers = {{std::string(kJsonBytes),
                        "Bytes of the JSON, where bytes of tensors follow it; 0: the body is the "
                        "only input and nothing else"},
                       {"X-Request-Timeout-Ms", "Whole milliseconds"}};
  return route;
}

}  // namespace

void AddInferRoutes(http::RouteTable& table, const ApiContext& context) {
  table.Add(InferRoute(context, "/v2/models/{model}/infer"));
  table.Add(InferRoute(context, "/v2/models/{model}/versions/{version}/infer"));
}

}  // namespace muster::server::api
