#pragma once

#include <cstddef>
#include <string_view>

#include "muster/base/result.h"

namespace muster::server::codec::internal {

/// Bounds what parsing `json` may cost before anything is parsed. A text of n bytes has at most n
/// values, so texts of up to `max_values` bytes pass unread; longer ones are counted by their
/// commas and opening brackets outside strings (never fewer than the values, more only where lists
/// or objects are empty). Linear.
/// Errors: TOO_MANY_VALUES; JSON where brackets or colons show that it cannot be JSON.
base::Status CheckValueCount(std::string_view json, std::size_t max_values);

}  // namespace muster::server::codec::internal
