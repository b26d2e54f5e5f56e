#include "muster/server/codec/internal/json_reader.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/codec/internal/value_count.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Status;

constexpr std::size_t kSmallestCapacity = 16 * 1024;
/// simdjson keeps about 6 bytes per byte of capacity: what a thread keeps between bodies.
constexpr std::size_t kKeptCapacity = 1024 * 1024;

struct ThreadState {
  od::parser parser;
  KeySet keys;
};

ThreadState& OfThisThread() {
  thread_local ThreadState state;
  return state;
}

bool IsBlank(std::string_view text) { return TrimEnd(text).empty(); }

simdjson::error_code Reserve(od::parser& parser, std::size_t bytes) {
  if (parser.capacity() >= bytes && parser.capacity() > 0) return simdjson::SUCCESS;
  const std::size_t rounded = std::max(kSmallestCapacity, std::bit_ceil(bytes));
  return parser.allocate(rounded <= kKeptCapacity ? rounded : bytes);
}

}  // namespace

JsonReader::JsonReader(const DecodeLimits& limits)
    : limits_(limits), parser_(OfThisThread().parser), keys_(OfThisThread().keys) {
  keys_.Clear();
}

JsonReader::~JsonReader() {
  document_ = od::document();
  // One body of the largest size must not leave its index behind in every thread it meets.
  if (parser_.capacity() > kKeptCapacity) parser_ = od::parser();
  keys_.Clear();
}

Status JsonReader::Open(std::span<const std::byte> body) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  body_bytes_ = text.size();
  if (IsBlank(text)) return JsonError("the body is empty");
  if (text.starts_with("\xEF\xBB\xBF")) return JsonError("the body begins with a byte order mark");
  // Before the parser's index, which takes 4 bytes for each token.
  MUSTER_RETURN_IF_ERROR(CheckValueCount(text, limits_.max_values));
  if (const auto error = Reserve(parser_, text.size())) return JsonError(error);
  const simdjson::padded_string_view padded(text.data(), text.size(),
                                            text.size() + simdjson::SIMDJSON_PADDING);
  if (const auto error = parser_.iterate(padded).get(document_)) return JsonError(error);
  od::json_type type;
  if (const auto error = document_.type().get(type)) return JsonError(error);
  if (type == od::json_type::object) return {};
  return InvalidArgument(std::string("body: expected an object, got ") +
                             (type == od::json_type::array ? "a list" : "a single value"),
                         "TYPE");
}

base::Result<od::object> JsonReader::Root() {
  od::object root;
  if (const auto error = document_.get_object().get(root)) return JsonError(error);
  return root;
}

base::Result<const char*> JsonReader::Location() {
  const char* location = nullptr;
  if (const auto error = document_.current_location().get(location)) return JsonError(error);
  return location;
}

Status JsonReader::AtEnd() {
  // The only thing that has no location is the end.
  if (document_.current_location().error() == simdjson::OUT_OF_BOUNDS) return {};
  return JsonError("something follows the end of the object");
}

Status JsonReader::Walk(od::value value, std::size_t depth, const Path& path) {
  numbers_in_range_ = true;
  return WalkValue(value, depth, path);
}

Status JsonReader::WalkRefused(od::value value, std::size_t depth, const Path& path) {
  numbers_in_range_ = false;
  return WalkValue(value, depth, path);
}

Status JsonReader::WalkRefused(od::array list, std::size_t depth, const Path& path) {
  numbers_in_range_ = false;
  if (const auto error = list.reset().error()) return JsonError(error);
  return WalkList(list, depth, path);
}

Status JsonReader::WalkRefused(od::object object, std::size_t depth, const Path& path) {
  numbers_in_range_ = false;
  if (const auto error = object.reset().error()) return JsonError(error);
  return WalkObject(object, depth, path);
}

Status JsonReader::CheckDepth(std::size_t depth, const Path& path) const {
  if (depth <= limits_.max_depth) return {};
  return InvalidArgument("body: nested deeper than " + std::to_string(limits_.max_depth) +
                             " levels at " + path.ToString(),
                         "TOO_DEEP");
}

Status JsonReader::WalkValue(od::value value, std::size_t depth, const Path& path) {
  const Kind kind = KindOf(value);
  if (kind == Kind::kList) {
    MUSTER_RETURN_IF_ERROR(CheckDepth(depth, path));
    od::array list;
    if (const auto error = value.get_array().get(list)) return JsonError(error);
    return WalkList(list, depth, path);
  }
  if (kind == Kind::kObject) {
    MUSTER_RETURN_IF_ERROR(CheckDepth(depth, path));
    od::object object;
    if (const auto error = value.get_object().get(object)) return JsonError(error);
    return WalkObject(object, depth, path);
  }
  return WalkScalar(value, path);
}

Status JsonReader::WalkList(od::array list, std::size_t depth, const Path& path) {
  std::int64_t index = 0;
  for (auto item : list) {
    od::value element;
    if (const auto error = std::move(item).get(element)) return JsonError(error);
    MUSTER_RETURN_IF_ERROR(WalkValue(element, depth + 1, Path(path, index++)));
  }
  return {};
}

Status JsonReader::WalkObject(od::object object, std::size_t depth, const Path& path) {
  const KeySet::Object keys = keys_.Begin();
  std::string scratch;
  for (auto item : object) {
    od::field field;
    if (const auto error = std::move(item).get(field)) return JsonError(error);
    MUSTER_ASSIGN_OR_RETURN(std::string_view key, Key(field, scratch));
    MUSTER_RETURN_IF_ERROR(keys_.Add(key, scratch, keys, limits_.max_keys));
    MUSTER_RETURN_IF_ERROR(WalkValue(field.value(), depth + 1, Path(path, key)));
  }
  return keys_.End(keys, path);
}

Status JsonReader::WalkScalar(od::value value, const Path& path) {
  if (KindOf(value) == Kind::kString) {
    std::string scratch;
    MUSTER_RETURN_IF_ERROR(String(value, path, scratch));
    return {};
  }
  const std::string_view token = Token(value);
  if (!IsJsonToken(token)) return BadToken(token, path);
  double number = 0;
  if (numbers_in_range_ && KindOf(value) == Kind::kNumber && value.get_double().get(number)) {
    return Expected("a number that a double can hold", token, path, "OUT_OF_RANGE");
  }
  return {};
}

base::Result<std::string_view> JsonReader::String(od::value value, const Path& path,
                                                  std::string& scratch) {
  od::raw_json_string raw;
  if (const auto error = value.get_raw_json_string().get(raw)) return JsonError(error);
  const auto text = Unescape(ScanString(raw.raw()), scratch);
  if (!text) return BadString(path);
  return *text;
}

base::Result<std::string_view> JsonReader::Key(od::field& field, std::string& scratch) {
  const RawString raw = ScanString(field.key().raw());
  const auto key = Unescape(raw, scratch);
  if (!key) return JsonError("a key has an escape that is not JSON");
  return *key;
}

}  // namespace muster::server::codec::internal
