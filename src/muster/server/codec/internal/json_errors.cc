#include "muster/base/text.h"
#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

using base::Error;
using base::InvalidArgument;

bool IsFatal(const Error& error) {
  return error.reason == "JSON" || error.reason == "TOO_DEEP" ||
         error.reason == "TOO_MANY_VALUES" || error.reason == "DUPLICATE_KEY";
}

Error JsonError(std::string_view what) {
  return InvalidArgument("body: not valid JSON: " + std::string(what), "JSON");
}

Error JsonError(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return JsonError("it is not UTF-8");
    case simdjson::UNCLOSED_STRING:
      return JsonError("a string is not closed");
    case simdjson::UNESCAPED_CHARS:
      return JsonError("a string has a control character in it");
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return JsonError("a list or an object is not closed");
    case simdjson::CAPACITY:
      return JsonError("it is longer than 4 GiB");
    case simdjson::MEMALLOC:
      return base::ResourceExhausted("no memory to parse the body", "OUT_OF_MEMORY");
    default:
      return JsonError("a comma, colon, bracket or quote is missing or too many");
  }
}

Error BadString(const Path& path) {
  return JsonError("the string at " + path.ToString() + " has an escape that is not JSON");
}

Error BadToken(std::string_view token, const Path& path) {
  std::string what = base::Printable(token) + " at " + path.ToString() + " is not a JSON value";
  if (token.find("NaN") != token.npos || token.find("Inf") != token.npos) {
    what += " (JSON has no NaN and no Infinity)";
  }
  return JsonError(what);
}

Error Expected(std::string_view what, std::string_view got, const Path& path,
               std::string_view reason) {
  return InvalidArgument(
      path.ToString() + ": expected " + std::string(what) + ", got " + std::string(got), reason);
}

Error Expected(std::string_view what, od::value got, const Path& path, std::string_view reason) {
  return Expected(what, Shown(got), path, reason);
}

Kind KindOf(od::value value) {
  od::json_type type;
  if (value.type().get(type)) return Kind::kNone;
  switch (type) {
    case od::json_type::array:
      return Kind::kList;
    case od::json_type::object:
      return Kind::kObject;
    case od::json_type::string:
      return Kind::kString;
    case od::json_type::number:
      return Kind::kNumber;
    case od::json_type::boolean:
      return Kind::kBool;
    case od::json_type::null:
      return Kind::kNull;
  }
  return Kind::kNone;
}

std::string_view Token(od::value value) { return TrimEnd(value.raw_json_token()); }

std::string Shown(od::value value) {
  switch (KindOf(value)) {
    case Kind::kList:
      return "a list";
    case Kind::kObject:
      return "an object";
    default:
      return base::Printable(Token(value));
  }
}

bool IsJsonToken(std::string_view token) {
  return token == "true" || token == "false" || token == "null" ||
         ClassifyNumber(token) != NumberKind::kNotANumber;
}

}  // namespace muster::server::codec::internal
