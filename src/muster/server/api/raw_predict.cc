#include "muster/server/api/internal/raw_predict.h"

#include <string>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/api/internal/request.h"
#include "muster/server/api/internal/routes.h"
#include "muster/server/http/negotiation.h"

namespace muster::server::api {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;

constexpr std::string_view kOutput = "output";
const std::vector<std::string> kRawTypes = {std::string(kRaw)};

/// Only `output`, and that once: whoever sends what would be JSON's fields shall hear of it.
Status CheckQuery(const http::Exchange& exchange) {
  bool seen = false;
  for (const std::string_view name : exchange.query_names()) {
    if (name != kOutput) {
      return InvalidArgument("query parameter " + base::Printable(name) +
                                 ": a raw body knows only `output`; priority and timeout are the "
                                 "headers X-Request-Priority and X-Request-Timeout-Ms",
                             "FIELD");
    }
    if (std::exchange(seen, true)) {
      return InvalidArgument("query parameter output: expected one, got several", "FIELD");
    }
  }
  return {};
}

/// Which output the answer is to be; none for JSON.
Result<std::optional<int>> AskedOutput(const http::Exchange& exchange,
                                       const registry::ServedVersion& version) {
  const std::string_view name = exchange.query(kOutput);
  if (http::AsksFor(exchange.header("Accept"), kRaw, http::kJson)) {
    MUSTER_ASSIGN_OR_RETURN(const int output, codec::ChooseRawOutput(version, name));
    return std::optional(output);
  }
  if (exchange.query_names().empty()) return std::optional<int>();
  return InvalidArgument(
      "query parameter output: picks the output of a raw answer; an answer in JSON has all of "
      "them (Accept: application/octet-stream asks for a raw one)",
      "FIELD");
}

}  // namespace

void DescribeRaw(http::Route& route) {
  route.body_types.emplace_back(kRaw);
  route.doc.summary += "; a raw body is the model's only input, little-endian and row by row";
  route.doc.other_response_types = {std::string(kRaw)};
  route.doc.query = {{std::string(kOutput),
                      "Of a raw answer to a raw body: the output it is to be. Needed where the "
                      "model has several numeric ones"}};
  route.doc.headers = {{"X-Request-Timeout-Ms", "Whole milliseconds"},
                       {"X-Request-Priority", "Of a raw body: a whole number, higher first"}};
}

bool IsRaw(const http::Exchange& exchange) {
  return http::IsMediaType(exchange.header("Content-Type"), kRawTypes);
}

Result<RawRequest> ReadRawRequest(const ApiContext& context, const http::Exchange& exchange) {
  MUSTER_RETURN_IF_ERROR(CheckQuery(exchange));
  RawRequest request;
  MUSTER_ASSIGN_OR_RETURN(request.priority, PriorityHeader(exchange));
  MUSTER_ASSIGN_OR_RETURN(request.timeout,
                          TimeoutHeader(exchange, context.options.limits.max_timeout));
  MUSTER_ASSIGN_OR_RETURN(request.model, ResolvePath(context, exchange));
  MUSTER_RETURN_IF_ERROR(codec::CheckRawInput(*request.model));
  MUSTER_ASSIGN_OR_RETURN(request.output, AskedOutput(exchange, *request.model));
  return request;
}

Result<codec::DecodedBody> DecodeRawRequest(const ApiContext& context, http::Exchange& exchange,
                                            const RawRequest& request, bool batch) {
  MUSTER_ASSIGN_OR_RETURN(
      codec::DecodedBody body,
      codec::DecodeRaw(TakeBody(exchange), request.model, batch, context.options.limits));
  body.priority = request.priority;
  return body;
}

Status WriteRawAnswer(http::Exchange& exchange, const codec::DecodedBody& body,
                      const codec::CallResult& result, int output) {
  MUSTER_ASSIGN_OR_RETURN(const codec::RawAnswer answer,
                          codec::EncodeRaw(exchange.out(), body, result, output));
  const auto& outputs = answer.model->spec.outputs;
  exchange.AddHeader("X-Muster-Shape", codec::RawShapeText(answer.shape));
  exchange.AddHeader("X-Muster-Dtype", tensor::DTypeName(answer.dtype));
  exchange.AddHeader("X-Muster-Output", outputs[static_cast<std::size_t>(output)].name);
  exchange.AddHeader("X-Muster-Model", answer.model->name);
  exchange.AddHeader("X-Muster-Model-Version", answer.model->version);
  // The connection repeats the client's own.
  if (exchange.header("X-Request-Id") != exchange.request_id())
    exchange.AddHeader("X-Request-Id", exchange.request_id());
  return {};
}

}  // namespace muster::server::api
