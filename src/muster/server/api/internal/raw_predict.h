#pragma once

#include <optional>

#include "muster/server/api/internal/routes.h"
#include "muster/server/codec/raw_body.h"

namespace muster::server::api {

inline constexpr std::string_view kRaw = "application/octet-stream";

/// Lets `route` take raw bodies, and says so in its document.
void DescribeRaw(http::Route& route);

/// Whether the body is a tensor instead of JSON, by its Content-Type.
bool IsRaw(const http::Exchange& exchange);

/// What a request with a raw body says outside of it.
struct RawRequest {
  engine::ModelLease model;
  int priority = 0;
  std::optional<base::Duration> timeout;
  std::optional<int> output;  ///< of an answer in kind; none: the answer is JSON
};

/// Reads it; needs no body, so that what cannot be served is refused before it is sent.
/// Errors: INVALID_ARGUMENT "FIELD" (query, headers), those of codec::CheckRawInput, and those of
/// Engine::Resolve.
base::Result<RawRequest> ReadRawRequest(const ApiContext& context, const http::Exchange& exchange);

/// Takes the body from the exchange, without a copy, as rows of the request's model. Errors: those
/// of codec::DecodeRaw.
base::Result<codec::DecodedBody> DecodeRawRequest(const ApiContext& context,
                                                  http::Exchange& exchange,
                                                  const RawRequest& request, bool batch);

/// Writes one output as the answer's body and what it is into the answer's headers. Errors: those
/// of codec::EncodeRaw.
base::Status WriteRawAnswer(http::Exchange& exchange, const codec::DecodedBody& body,
                            const codec::CallResult& result, int output);

}  // namespace muster::server::api
