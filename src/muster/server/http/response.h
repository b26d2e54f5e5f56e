#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "muster/base/clock.h"
#include "muster/base/result.h"

namespace muster::server::http {

/// "OK" for 200 and so on.
std::string_view ReasonPhrase(int status);

/// The value of a Date header (RFC 9110 5.6.7), "Sun, 06 Nov 1994 08:49:37 GMT", written once a
/// second. Not thread-safe: one per loop.
class DateText {
 public:
  explicit DateText(const base::Clock& clock) : clock_(clock) {}
  std::string_view At(base::TimePoint now);

 private:
  const base::Clock& clock_;
  base::TimePoint good_until_ = base::TimePoint::min();
  std::array<char, 29> text_{};
};

/// What the head of an answer says besides the handler's own headers.
struct ResponseHead {
  int status = 200;
  std::string_view content_type = {};
  std::size_t content_length = 0;
  std::string_view date = {};
  /// "close", "keep-alive" or empty (which is keep-alive to HTTP/1.1).
  std::string_view connection = {};
  /// Complete lines with their CRLF.
  std::string_view more = {};
};

/// Appends status line, headers and the empty line to `out`.
void AppendHead(std::string& out, const ResponseHead& head);

/// Appends `name: value` CRLF; control characters in the value, which could end it, become `?`.
void AppendHeaderLine(std::string& out, std::string_view name, std::string_view value);

/// Appends the error body of every route: error, detail, code and request_id.
void AppendErrorBody(std::string& out, const base::Error& error, std::string_view request_id);

/// Appends Retry-After (whole seconds, at least one) and Retry-After-Ms where `error` says when to
/// come back; a 503 and a 429 always do.
void AppendRetryAfter(std::string& out, const base::Error& error, int status);

}  // namespace muster::server::http
