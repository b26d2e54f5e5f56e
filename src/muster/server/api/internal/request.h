#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

#include "muster/server/api/api.h"
#include "muster/tensor/buffer.h"

namespace muster::server::api {

// What all routes that predict do with a request before they decode its body.

/// All of `text` as one whole number; none if it is anything else or out of T's range.
template <class T>
std::optional<T> WholeNumber(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The version that the path names. Errors: those of Engine::Resolve.
base::Result<engine::ModelLease> ResolvePath(const ApiContext& context,
                                             const http::Exchange& exchange);

/// X-Request-Priority, for bodies that are no JSON; 0 if there is none. Errors: "FIELD".
base::Result<int> PriorityHeader(const http::Exchange& exchange);

/// The time a request names in X-Request-Timeout-Ms; none if it has no such header.
/// Errors: INVALID_ARGUMENT "FIELD".
base::Result<std::optional<base::Duration>> TimeoutHeader(const http::Exchange& exchange,
                                                          std::chrono::milliseconds limit);

/// The one that ends sooner of a header's and a body's; none where neither is there.
std::optional<base::Duration> Sooner(std::optional<base::Duration> a,
                                     std::optional<base::Duration> b);

/// Whether the engine is asked before the body is read, which costs more to read than the question:
/// under overload most of them are refused. Such a request is `announced` to Engine::Predict.
bool IsAnnounced(const http::Exchange& exchange);

/// Refuses before the body is read: an unknown or unready model in the path, a large body that the
/// model has no time for. Errors: those of Engine::Resolve and Engine::WouldAccept.
base::Status AdmitModel(const ApiContext& context, const http::Exchange& exchange,
                        std::optional<base::Duration> timeout);

/// The body's memory, without a copy; kBodyPadding readable bytes follow it.
tensor::BufferRef TakeBody(http::Exchange& exchange);

}  // namespace muster::server::api
