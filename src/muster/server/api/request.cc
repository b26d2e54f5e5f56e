#include "muster/server/api/internal/request.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace muster::server::api {

using base::Duration;
using base::InvalidArgument;
using base::Result;
using base::Status;

Result<std::optional<Duration>> TimeoutHeader(const http::Exchange& exchange,
                                              std::chrono::milliseconds limit) {
  const std::string_view text = exchange.header("X-Request-Timeout-Ms");
  if (text.empty()) return std::optional<Duration>();
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc() || end != text.data() + text.size() || ms < 0) {
    return InvalidArgument("header X-Request-Timeout-Ms: expected a whole number of milliseconds",
                           "FIELD");
  }
  return std::optional<Duration>(std::chrono::milliseconds(std::min(ms, limit.count())));
}

std::optional<Duration> Sooner(std::optional<Duration> a, std::optional<Duration> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

bool IsAnnounced(const http::Exchange& exchange) {
  constexpr std::uint64_t kLarge = 16 * 1024;
  if (exchange.path_parameter("model").empty()) return false;       // the body says which
  const std::string_view text = exchange.header("Content-Length");  // none: chunked, not known yet
  std::uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length >= kLarge;
}

Status AdmitModel(const ApiContext& context, const http::Exchange& exchange,
                  std::optional<Duration> timeout) {
  const std::string_view name = exchange.path_parameter("model");
  if (name.empty()) return {};
  MUSTER_ASSIGN_OR_RETURN(const engine::ModelLease model,
                          context.engine.Resolve(name, exchange.path_parameter("version")));
  return IsAnnounced(exchange) ? context.engine.WouldAccept(model, timeout) : Status();
}

tensor::BufferRef TakeBody(http::Exchange& exchange) {
  http::TakenBody body = exchange.TakeBody();
  return tensor::BufferRef::Share(std::move(body.owner), body.bytes.data(), body.bytes.size());
}

}  // namespace muster::server::api
