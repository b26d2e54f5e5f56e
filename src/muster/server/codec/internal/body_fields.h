#pragma once

#include <cstddef>
#include <string>

#include "muster/server/codec/internal/json_reader.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec::internal {

/// What the first pass finds beside the data: every field is validated, but for the one with the
/// data, which is skipped until its model is known.
struct BodyFields {
  Dialect dialect = Dialect::kInputs;
  std::size_t data_field = 0;  ///< the data are the value of the body's field of this number
  std::string model;           ///< empty: not named
  std::string version;
  std::string id;
  int priority = 0;
  std::optional<base::Duration> timeout;
  std::optional<std::int64_t> top_k;
  std::optional<std::int64_t> max_parallelism;
};

/// The first pass over an open body, to its end. Errors: those of DecodePredict for the body.
base::Result<BodyFields> ReadBodyFields(JsonReader& reader);

/// "inputs", "features", "instances", "image" or "images".
std::string_view DataKey(Dialect dialect);

/// The string that names a model or a version. Errors: FIELD; JSON.
base::Status ReadName(JsonReader& reader, od::value value, const Path& path, std::string& out);

/// The client's own name for its request. Errors: FIELD; JSON.
base::Status ReadId(JsonReader& reader, od::value value, const Path& path, std::string& out);

}  // namespace muster::server::codec::internal
