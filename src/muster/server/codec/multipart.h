#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "muster/base/result.h"

namespace muster::server::codec {

/// The one file of a `multipart/form-data` body (RFC 7578), as HTML forms and `curl -F` send it: a
/// view of `body`. `content_type` is the request's, with the boundary. The part's own type, which
/// is made up from the file's name, and the names of field and file are not looked at.
/// Errors: INVALID_ARGUMENT "MULTIPART": no boundary, not closed, no file, several, or other
/// fields.
base::Result<std::span<const std::byte>> FileOfForm(std::span<const std::byte> body,
                                                    std::string_view content_type);

}  // namespace muster::server::codec
