#include <array>
#include <utility>

#include "muster/server/http/exchange.h"
#include "muster/server/http/response.h"

namespace muster::server::http {
namespace {

constexpr std::array kByReason = std::to_array<std::pair<std::string_view, int>>({
    {"METHOD_NOT_ALLOWED", 405},
    {"REQUEST_TIMEOUT", 408},
    {"BODY_TOO_LARGE", 413},
    {"URL_TOO_LONG", 414},
    {"UNSUPPORTED_MEDIA_TYPE", 415},
    {"EXPECTATION_FAILED", 417},
    {"INPUT_REJECTED_BY_MODEL", 422},
    {"QUOTA", 429},
    {"HEADER_TOO_LARGE", 431},
    {"HTTP_VERSION", 505},
});

int StatusOfCode(base::Code code) {
  switch (code) {
    case base::Code::kInvalidArgument:
    case base::Code::kOutOfRange:
      return 400;
    case base::Code::kUnauthenticated:
      return 401;
    case base::Code::kPermissionDenied:
      return 403;
    case base::Code::kNotFound:
      return 404;
    case base::Code::kAlreadyExists:
    case base::Code::kFailedPrecondition:
    case base::Code::kAborted:
      return 409;
    case base::Code::kCancelled:
      return 499;
    case base::Code::kUnimplemented:
      return 501;
    case base::Code::kResourceExhausted:
    case base::Code::kUnavailable:
      return 503;
    case base::Code::kDeadlineExceeded:
      return 504;
    case base::Code::kUnknown:
    case base::Code::kInternal:
    case base::Code::kDataLoss:
      break;
  }
  return 500;
}

constexpr std::array kPhrases = std::to_array<std::pair<int, std::string_view>>({
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
});

}  // namespace

std::string_view MethodName(Method method) {
  static constexpr std::array<std::string_view, 7> kNames = {"GET",    "HEAD",    "POST", "PUT",
                                                             "DELETE", "OPTIONS", "OTHER"};
  return kNames[static_cast<std::size_t>(method)];
}

int HttpStatus(const base::Error& error) {
  for (const auto& [reason, status] : kByReason) {
    if (reason == error.reason) return status;
  }
  return StatusOfCode(error.code);
}

std::string_view ReasonPhrase(int status) {
  for (const auto& [code, phrase] : kPhrases) {
    if (code == status) return phrase;
  }
  return "Status";
}

}  // namespace muster::server::http
