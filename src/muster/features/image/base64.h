#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "muster/base/result.h"

namespace muster::features::image {

/// Decodes base64 (RFC 4648, section 4: the standard alphabet, padded, without line breaks) into
/// `out`, whose memory is used again. A `data:image/…;base64,` before it, as browsers make it, is
/// passed over. Errors: INVALID_ARGUMENT "BASE64", saying what came where.
base::Status DecodeBase64(std::string_view text, std::vector<std::byte>& out);

}  // namespace muster::features::image
