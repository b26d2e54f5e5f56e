#include "muster/server/codec/repository_json.h"

#include <string>
#include <string_view>
#include <utility>

#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec {
namespace {

using namespace internal;

base::Status ReadReady(JsonReader& reader, od::value value, bool& ready) {
  const Path path("ready");
  // null is how many clients write a field that is not there.
  if (KindOf(value) == Kind::kNull) return reader.Walk(value, 2, path);
  if (value.get_bool().get(ready) == simdjson::SUCCESS) return {};
  base::Error error = Expected("true or false", value, path, "FIELD");
  MUSTER_RETURN_IF_ERROR(reader.WalkRefused(value, 2, path));
  return error;
}

}  // namespace

base::Result<bool> ReadIndexRequest(std::span<const std::byte> body, const DecodeLimits& limits) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  if (TrimEnd(text).empty()) return false;
  JsonReader reader(limits);
  MUSTER_RETURN_IF_ERROR(reader.Open(body));
  MUSTER_ASSIGN_OR_RETURN(od::object root, reader.Root());
  bool ready = false;
  std::string scratch;
  const KeySet::Object keys = reader.keys().Begin();
  for (auto item : root) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(std::string_view key, reader.Key(field, scratch));
    MUSTER_RETURN_IF_ERROR(reader.keys().Add(key, scratch, keys, limits.max_keys));
    MUSTER_RETURN_IF_ERROR(key == "ready" ? ReadReady(reader, field.value(), ready)
                                          : reader.Walk(field.value(), 2, Path(key)));
  }
  MUSTER_RETURN_IF_ERROR(reader.keys().End(keys, Path("body")));
  MUSTER_RETURN_IF_ERROR(reader.AtEnd());
  return ready;
}

}  // namespace muster::server::codec
