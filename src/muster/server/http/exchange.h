#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/cancellation.h"
#include "muster/base/clock.h"
#include "muster/base/loop.h"
#include "muster/base/result.h"

namespace muster::server::http {

/// Bytes that are readable (and zero) behind every request body, for parsers that read ahead.
inline constexpr std::size_t kBodyPadding = 64;

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kOther };
std::string_view MethodName(Method method);

/// Memory of a request's body that has been taken from its exchange.
struct TakenBody {
  std::shared_ptr<void> owner;
  /// Aligned for every type of number; kBodyPadding readable bytes follow.
  std::span<std::byte> bytes;
};

/// One request and its answer. Made by a connection when a header has been read completely; the
/// handler gets it with the whole, decoded body and answers exactly once with Send or SendError,
/// now or later, on the connection's loop (one that is let go unanswered is
/// answered 500 within a second). Views are valid until then. The answer's buffer and the
/// header storage belong to the connection and are reused by its next request.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual Method method() const = 0;
  /// Decoded path without the query, e.g. "/predict/iris".
  virtual std::string_view path() const = 0;
  /// The value of `{name}` in the matched route's pattern; empty if it has none.
  virtual std::string_view path_parameter(std::string_view name) const = 0;
  /// A decoded query parameter; empty if absent.
  virtual std::string_view query(std::string_view name) const = 0;
  /// Names of all query parameters as they came, for routes that refuse those they do not know.
  virtual std::vector<std::string_view> query_names() const = 0;
  /// A header's value by case-insensitive name; empty if absent.
  virtual std::string_view header(std::string_view name) const = 0;
  /// The body, de-chunked and decompressed; kBodyPadding readable bytes follow it.
  virtual std::span<const std::byte> body() const = 0;
  /// The body's memory, which stays as it is for as long as its owner is held, whatever becomes of
  /// the exchange; body() is empty afterwards. Let it go before the server is destroyed.
  virtual TakenBody TakeBody() = 0;
  virtual std::string_view request_id() const = 0;
  virtual bool peer_is_loopback() const = 0;
  /// When the last byte of the body had been read.
  virtual base::TimePoint received_at() const = 0;
  /// Asked to stop when the client has gone; reused per connection.
  virtual base::CancelToken cancelled() const = 0;
  virtual base::Loop& loop() = 0;

  /// The answer's body, empty at first; append to it, then Send.
  virtual std::string& out() = 0;
  virtual void AddHeader(std::string_view name, std::string_view value) = 0;
  /// Ends the exchange. `content_type` must be static or live until the call returns.
  virtual void Send(int status, std::string_view content_type) = 0;
  /// Ends the exchange with the error body of every route ({"error","detail","code","request_id"})
  /// and the HTTP status of the error's code; adds Retry-After where the error has one.
  virtual void SendError(const base::Error& error) = 0;
};

/// Shared by the connection and whoever will answer; keeps the connection's memory alive even if
/// the client has gone (Send is then a no-op).
using ExchangePtr = std::shared_ptr<Exchange>;
using Handler = std::function<void(ExchangePtr)>;

/// The HTTP status of an error: by reason where the table of errors has one
/// (INPUT_REJECTED_BY_MODEL 422, METHOD_NOT_ALLOWED 405, …), else by code.
int HttpStatus(const base::Error& error);

inline constexpr std::string_view kJson = "application/json";

}  // namespace muster::server::http
