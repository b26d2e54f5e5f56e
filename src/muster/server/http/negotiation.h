#pragma once

#include <span>
#include <string>
#include <string_view>

#include "muster/base/result.h"
#include "muster/server/http/gzip.h"

namespace muster::server::http {

/// The coding an answer may have by a request's Accept-Encoding (RFC 9110 12.5.3): the one of
/// highest quality; of equals gzip, then deflate, then identity. Malformed parts are ignored.
Coding NegotiateCoding(std::string_view accept_encoding);

/// What a request's Content-Encoding says. Errors: INVALID_ARGUMENT "UNSUPPORTED_MEDIA_TYPE" where
/// it is not one of gzip, deflate and identity (several codings on top of each other too).
base::Result<Coding> ContentCoding(std::string_view content_encoding);

/// True if Content-Type `value` ("application/json; charset=utf-8") names one of `types`.
bool IsMediaType(std::string_view value, std::span<const std::string> types);

/// True if `accept` (RFC 9110 12.5.1) names `type` itself and prefers nothing to it of what it says
/// about `otherwise`, which is what it gets else.
bool AsksFor(std::string_view accept, std::string_view type, std::string_view otherwise);

/// True for the answers that become smaller: text, JSON, XML, scripts.
bool IsCompressible(std::string_view content_type);

}  // namespace muster::server::http
