#include "muster/server/api/internal/request.h"

#include <algorithm>
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
  const auto ms = WholeNumber<std::int64_t>(text);
  if (!ms || *ms < 0) {
    return InvalidArgument("header X-Request-Timeout-Ms: expected a whole number of milliseconds",
                           "FIELD");
  }
  return std::optional<Duration>(std::chrono::milliseconds(std::min(*ms, limit.count())));
}

Result<int> PriorityHeader(const http::Exchange& exchange) {
  const std::string_view text = exchange.header("X-Request-Priority");
  if (text.empty()) return 0;
  if (const auto priority = WholeNumber<int>(text)) return *priority;
  return InvalidArgument("header X-Request-Priority: expected a whole number of 32 bits", "FIELD");
}

Result<engine::ModelLease> ResolvePath(const ApiContext& context, const http::Exchange& exchange) {
  return context.engine.Resolve(exchange.path_parameter("model"),
                                exchange.path_parameter("version"));
}

std::optional<Duration> Sooner(std::optional<Duration> a, std::optional<Duration> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

bool IsAnnounced(const http::Exchange& exchange) {
  constexpr std::uint64_t kLarge = 16 * 1024;
  if (exchange.path_parameter("model").empty()) return false;       // the body says which
  const std::string_view text = exchange.header("Content-Length");  // none: chunked, not known yet
  return WholeNumber<std::uint64_t>(text).value_or(0) >= kLarge;
}

Status AdmitModel(const ApiContext& context, const http::Exchange& exchange,
                  std::optional<Duration> timeout) {
  if (exchange.path_parameter("model").empty()) return {};
  MUSTER_ASSIGN_OR_RETURN(const engine::ModelLease model, ResolvePath(context, exchange));
  return IsAnnounced(exchange) ? context.engine.WouldAccept(model, timeout) : Status();
}

tensor::BufferRef TakeBody(http::Exchange& exchange) {
  http::TakenBody body = exchange.TakeBody();
  return tensor::BufferRef::Share(std::move(body.owner), body.bytes.data(), body.bytes.size());
}

}  // namespace muster::server::api
