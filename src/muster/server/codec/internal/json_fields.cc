#include "muster/server/codec/internal/json_fields.h"

namespace muster::server::codec::internal {
namespace {

constexpr std::string_view kFieldReason = "FIELD";

}  // namespace

base::Error Refusal(JsonReader& reader, std::string_view expected, od::value value,
                    std::size_t depth, const Path& path, std::string_view reason) {
  base::Error error = Expected(expected, value, path, reason);
  MUSTER_RETURN_IF_ERROR(reader.WalkRefused(value, depth, path));
  return error;
}

base::Result<od::object> ReadObject(JsonReader& reader, od::value value, std::size_t depth,
                                    const Path& path) {
  if (KindOf(value) != Kind::kObject) {
    return Refusal(reader, "an object", value, depth, path, kFieldReason);
  }
  od::object object;
  if (const auto error = value.get_object().get(object)) return JsonError(error);
  return object;
}

base::Result<od::array> ReadList(JsonReader& reader, od::value value, std::size_t depth,
                                 const Path& path) {
  if (KindOf(value) != Kind::kList) {
    return Refusal(reader, "a list", value, depth, path, kFieldReason);
  }
  od::array list;
  if (const auto error = value.get_array().get(list)) return JsonError(error);
  return list;
}

base::Result<std::string> ReadText(JsonReader& reader, od::value value, std::size_t depth,
                                   const Path& path) {
  if (KindOf(value) != Kind::kString) {
    return Refusal(reader, "a text", value, depth, path, kFieldReason);
  }
  std::string scratch;
  MUSTER_ASSIGN_OR_RETURN(const std::string_view text, reader.String(value, path, scratch));
  return std::string(text);
}

base::Result<bool> ReadBool(JsonReader& reader, od::value value, std::size_t depth,
                            const Path& path) {
  bool flag = false;
  if (!value.get_bool().get(flag)) return flag;
  return Refusal(reader, "true or false", value, depth, path, kFieldReason);
}

base::Result<std::uint64_t> ReadCount(JsonReader& reader, od::value value, std::size_t depth,
                                      const Path& path) {
  std::uint64_t number = 0;
  if (!value.get_uint64().get(number)) return number;
  return Refusal(reader, "a whole number of at least 0", value, depth, path, kFieldReason);
}

}  // namespace muster::server::codec::internal
