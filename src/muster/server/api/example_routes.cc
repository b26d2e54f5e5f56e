#include <memory>
#include <string>
#include <utility>

#include "muster/server/api/internal/routes.h"
#include "muster/server/codec/example_json.h"

namespace muster::server::api {
namespace {

using base::Status;
using codec::JsonWriter;

constexpr std::string_view kExampleModel = "example";

/// A body of our own and the answer to it, which outlive the exchange's handler.
struct ExampleCall {
  std::string body;
  std::string response;
};

/// Predicts `inputs_json` with the model `example`; `write` wraps the response into the answer.
template <class Write>
void RunExample(const ApiContext& context, const http::ExchangePtr& exchange,
                std::string_view inputs_json, bool batch, Write write) {
  if (auto lease = context.engine.Resolve(kExampleModel, ""); !lease) {
    return exchange->SendError(lease.error().WithContext(
        "the examples use the model called `example`: serve one to try them"));
  }
  auto call = std::make_shared<ExampleCall>();
  call->body = "{\"inputs\":" + std::string(inputs_json) + "}";
  const std::size_t bytes = call->body.size();
  call->body.append(http::kBodyPadding, '\0');
  PredictJson(context, exchange, std::as_bytes(std::span(call->body.data(), bytes)),
              {.model = kExampleModel, .version = "", .batch_route = batch}, call->response,
              [call, exchange, write](Status status) {
                if (!status) return exchange->SendError(status.error());
                JsonWriter w(exchange->out());
                w.BeginObject();
                write(w);
                w.Key("response");
                w.Raw(call->response);
                w.EndObject();
                exchange->Send(200, http::kJson);
              });
}

void Simple(const ApiContext& context, const http::ExchangePtr& exchange) {
  auto input = codec::ReadExampleInput(exchange->body(), context.options.limits);
  if (!input) return exchange->SendError(input.error());
  RunExample(context, exchange, *input, false, [input = *input](JsonWriter& w) {
    w.Key("example");
    w.String("simple_prediction");
    w.Key("input");
    w.Raw(input);
  });
}

void Batch(const ApiContext& context, const http::ExchangePtr& exchange) {
  // The inputs are fixed; a body, where there is one, must still be an object.
  if (auto input = codec::ReadExampleInput(exchange->body(), context.options.limits); !input) {
    return exchange->SendError(input.error());
  }
  RunExample(context, exchange, "[1,2,3,4,5]", true, [](JsonWriter& w) {
    w.Key("example");
    w.String("batch_prediction");
    w.Key("input_count");
    w.Number(5);
  });
}

http::Route ExampleRoute(const ApiContext& context, std::string pattern, std::string summary,
                         std::string_view request, std::string_view response,
                         void (*handle)(const ApiContext&, const http::ExchangePtr&)) {
  http::Route route;
  route.method = http::Method::kPost;
  route.pattern = std::move(pattern);
  route.body_types = {std::string(http::kJson)};
  route.handler = [&context, handle](const http::ExchangePtr& exchange) {
    handle(context, exchange);
  };
  route.doc.summary = std::move(summary);
  route.doc.tag = "examples";
  route.doc.request_schema = SchemaRef(request);
  route.doc.response_schema = SchemaRef(response);
  route.doc.errors = {400, 404, 408, 413, 415, 500, 503, 504};
  return route;
}

}  // namespace

void AddExampleRoutes(http::RouteTable& table, const ApiContext& context) {
  table.Add(ExampleRoute(context, "/examples/simple", "Predict one example", "ExampleSimpleRequest",
                         "ExampleSimpleResponse", Simple));
  table.Add(ExampleRoute(context, "/examples/batch", "Predict the five example inputs 1 to 5",
                         "ExampleBatchRequest", "ExampleBatchResponse", Batch));
}

}  // namespace muster::server::api
