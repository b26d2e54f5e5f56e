#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "muster/base/result.h"
#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

/// Calls `visit(key, value)` for each field of an object; a key lives until all are visited. What
/// `visit` leaves of a value is skipped, not validated.
/// Errors: those of `visit`; JSON; DUPLICATE_KEY; TOO_MANY_VALUES (keys).
template <class Visit>
base::Status ForEachField(JsonReader& reader, od::object object, const Path& path, Visit visit) {
  const KeySet::Object keys = reader.keys().Begin();
  std::string scratch;
  for (auto item : object) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(std::string_view key, reader.Key(field, scratch));
    MUSTER_RETURN_IF_ERROR(reader.keys().Add(key, scratch, keys, reader.limits().max_keys));
    MUSTER_RETURN_IF_ERROR(visit(key, field.value()));
  }
  return reader.keys().End(keys, path);
}

/// Calls `visit(item, index)` for each item of a list. Errors: those of `visit`; JSON.
template <class Visit>
base::Status ForEachItem(od::array list, Visit visit) {
  std::int64_t index = 0;
  for (auto entry : list) {
    od::value item;
    if (const auto error = std::move(entry).get(item)) return JsonError(error);
    MUSTER_RETURN_IF_ERROR(visit(item, index++));
  }
  return {};
}

/// What Expected says, or what is wrong with `value` (untouched, at `depth`) as JSON.
base::Error Refusal(JsonReader& reader, std::string_view expected, od::value value,
                    std::size_t depth, const Path& path, std::string_view reason);

/// Values of one kind at `depth`. Errors: "FIELD" where they are of another; JSON.
base::Result<od::object> ReadObject(JsonReader& reader, od::value value, std::size_t depth,
                                    const Path& path);
base::Result<od::array> ReadList(JsonReader& reader, od::value value, std::size_t depth,
                                 const Path& path);
base::Result<std::string> ReadText(JsonReader& reader, od::value value, std::size_t depth,
                                   const Path& path);
base::Result<bool> ReadBool(JsonReader& reader, od::value value, std::size_t depth,
                            const Path& path);
/// A whole number of at least 0.
base::Result<std::uint64_t> ReadCount(JsonReader& reader, od::value value, std::size_t depth,
                                      const Path& path);

}  // namespace muster::server::codec::internal
