#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/server/codec/internal/json_path.h"

namespace muster::server::codec::internal {

/// "<path>: unknown <what>; …" with the nearest of the names there are, or the first of them.
base::Error UnknownName(std::string_view what, std::string_view name,
                        const std::vector<model::TensorSpec>& specs, const Path& path,
                        std::string_view reason);

/// The extents a client sees of an input or output: -1 where one is open. Rows are, also where a
/// run takes a fixed number of them, as the batcher fills runs up.
std::vector<std::int64_t> ProtocolDims(const model::ModelSpec& model,
                                       const model::TensorSpec& spec);

/// "[-1, 4]".
std::string DimsText(std::span<const std::int64_t> dims);

/// What a parameter asks for that no model here does yet, by its name: sequences and shared memory.
/// Errors: UNIMPLEMENTED "SEQUENCES_UNSUPPORTED", "SHARED_MEMORY_UNSUPPORTED".
base::Status CheckSupported(std::string_view parameter, const Path& path);

}  // namespace muster::server::codec::internal
