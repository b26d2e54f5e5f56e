#pragma once

#include <cstddef>
#include <span>

#include "muster/base/result.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

/// Whether a client asks for the index of the repository's ready versions alone: field `ready` of
/// an object, false where there is none, null, or no body at all. As strict as DecodePredict; ≥ 64
/// readable bytes follow `body`. Errors: those of DecodePredict; "FIELD" where it is no boolean.
base::Result<bool> ReadIndexRequest(std::span<const std::byte> body, const DecodeLimits& limits);

}  // namespace muster::server::codec
