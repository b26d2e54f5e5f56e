#include "muster/server/codec/example_json.h"

#include <string_view>

#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec {
namespace {

constexpr std::string_view kDefaultInput = "42";

}  // namespace

base::Result<std::string> ReadExampleInput(std::span<const std::byte> body,
                                           const DecodeLimits& limits) {
  using namespace internal;
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  if (TrimEnd(text).empty()) return std::string(kDefaultInput);
  JsonReader reader(limits);
  MUSTER_RETURN_IF_ERROR(reader.Open(body));
  MUSTER_ASSIGN_OR_RETURN(od::object root, reader.Root());
  std::string input(kDefaultInput);
  std::string scratch;
  const KeySet::Object keys = reader.keys().Begin();
  for (auto item : root) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(std::string_view key, reader.Key(field, scratch));
    MUSTER_RETURN_IF_ERROR(reader.keys().Add(key, scratch, keys, limits.max_keys));
    const Kind kind = KindOf(field.value());
    const std::string_view token = Token(field.value());
    MUSTER_RETURN_IF_ERROR(reader.Walk(field.value(), 2, Path(key)));
    if (key != "input") continue;
    if (kind == Kind::kList || kind == Kind::kObject) {
      // The walk leaves the reader at what follows the value.
      MUSTER_ASSIGN_OR_RETURN(const char* end, reader.Location());
      input = TrimEnd({token.data(), static_cast<std::size_t>(end - token.data())});
    } else {
      input = token;
    }
  }
  MUSTER_RETURN_IF_ERROR(reader.keys().End(keys, Path("body")));
  MUSTER_RETURN_IF_ERROR(reader.AtEnd());
  return input;
}

}  // namespace muster::server::codec
