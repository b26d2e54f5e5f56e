#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "muster/base/result.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

/// The JSON text of field `input` of an example body (an object or nothing at all), "42" where it
/// has none. As strict as DecodePredict; ≥ 64 readable bytes follow `body`.
base::Result<std::string> ReadExampleInput(std::span<const std::byte> body,
                                           const DecodeLimits& limits);

}  // namespace muster::server::codec
