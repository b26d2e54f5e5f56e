#include "muster/server/codec/internal/body_fields.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "muster/base/text.h"

namespace muster::server::codec::internal {
namespace {

using base::InvalidArgument;
using base::Status;

constexpr std::string_view kFieldReason = "FIELD";
constexpr std::array<std::string_view, 5> kDataKeys = {"inputs", "features", "instances", "image",
                                                       "images"};
constexpr std::string_view kDataKeysText =
    "\"inputs\", \"features\", \"instances\", \"image\" and \"images\"";
constexpr std::size_t kMaxIdBytes = 128;

/// Reads the fields of one body; a class only for what its steps share.
class FieldReader {
 public:
  explicit FieldReader(JsonReader& reader) : reader_(reader) {}

  base::Result<BodyFields> Read() {
    MUSTER_ASSIGN_OR_RETURN(od::object root, reader_.Root());
    const KeySet::Object keys = reader_.keys().Begin();
    std::string scratch;
    std::size_t index = 0;
    for (auto item : root) {
      od::field field;
      if (const auto error = std::move(item).get(field)) return JsonError(error);
      MUSTER_ASSIGN_OR_RETURN(std::string_view key, reader_.Key(field, scratch));
      MUSTER_RETURN_IF_ERROR(reader_.keys().Add(key, scratch, keys, reader_.limits().max_keys));
      MUSTER_RETURN_IF_ERROR(Field(key, field.value(), index++));
    }
    MUSTER_RETURN_IF_ERROR(reader_.keys().End(keys, Path("body")));
    MUSTER_RETURN_IF_ERROR(reader_.AtEnd());
    // What the fields say is looked at only now: a body that is no JSON is told so first.
    MUSTER_RETURN_IF_ERROR(std::move(field_error_));
    MUSTER_RETURN_IF_ERROR(CheckDialect());
    return std::move(fields_);
  }

 private:
  Status Field(std::string_view key, od::value value, std::size_t index) {
    const auto data = std::find(kDataKeys.begin(), kDataKeys.end(), key);
    if (data != kDataKeys.end()) {
      fields_.dialect = static_cast<Dialect>(data - kDataKeys.begin());
      fields_.data_field = index;
      ++data_keys_;
      return {};  // skipped; validated when it is decoded
    }
    const Path path(key);
    Status status = Known(key, value, path);
    if (!status && IsFatal(status.error())) return status;
    if (!status && field_error_) field_error_ = std::move(status);
    return {};
  }

  Status Known(std::string_view key, od::value value, const Path& path) {
    // null is how many clients write a field that is not there.
    if (KindOf(value) != Kind::kNull) {
      if (key == "model_id") return ReadName(reader_, value, path, fields_.model);
      if (key == "version") return ReadName(reader_, value, path, fields_.version);
      if (key == "id") return ReadId(reader_, value, path, fields_.id);
      if (key == "priority") return Priority(value, path);
      if (key == "timeout") return Timeout(value, path);
      if (key == "top_k") return Count(value, path, fields_.top_k);
      if (key == "max_parallelism") return Count(value, path, fields_.max_parallelism);
      if (key == "context") return Context(value, path);
    }
    if (nearest_.empty()) {
      nearest_ = base::NearestOf(key, kDataKeys);
      if (!nearest_.empty()) nearest_of_ = base::Printable(key);
    }
    return reader_.Walk(value, 2, path);
  }

  /// The error of a value that is not what a field takes, unless it is no JSON in the first place.
  Status Refuse(std::string_view expected, od::value value, const Path& path) {
    base::Error error = Expected(expected, value, path, kFieldReason);
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(value, 2, path));
    return error;
  }

  Status Priority(od::value value, const Path& path) {
    std::int64_t number = 0;
    if (value.get_int64().get(number) || number < std::numeric_limits<std::int32_t>::min() ||
        number > std::numeric_limits<std::int32_t>::max()) {
      return Refuse("a whole number of 32 bits", value, path);
    }
    fields_.priority = static_cast<int>(number);
    return {};
  }

  Status Count(od::value value, const Path& path, std::optional<std::int64_t>& out) {
    std::int64_t number = 0;
    if (value.get_int64().get(number) || number < 1) {
      return Refuse("a whole number of at least 1", value, path);
    }
    out = number;
    return {};
  }

  Status Timeout(od::value value, const Path& path) {
    double seconds = 0;
    if (value.get_double().get(seconds) || !(seconds > 0)) {
      return Refuse("a number of seconds above 0", value, path);
    }
    const std::chrono::duration<double> most = reader_.limits().max_timeout;
    // Less than the clock can tell is still a deadline, not none.
    fields_.timeout =
        seconds >= most.count()
            ? base::Duration(reader_.limits().max_timeout)
            : std::max(base::Duration(1), std::chrono::duration_cast<base::Duration>(
                                              std::chrono::duration<double>(seconds)));
    return {};
  }

  Status Context(od::value value, const Path& path) {
    if (KindOf(value) != Kind::kObject) return Refuse("an object", value, path);
    return reader_.Walk(value, 2, path);
  }

  Status CheckDialect() {
    if (data_keys_ == 1) return {};
    if (data_keys_ > 1) {
      return InvalidArgument("body: expected exactly one of " + std::string(kDataKeysText) +
                                 ", got " + std::to_string(data_keys_) + " of them",
                             kFieldReason);
    }
    std::string text = "body: expected one of " + std::string(kDataKeysText);
    if (!nearest_.empty()) {
      text += "; did you mean \"" + std::string(nearest_) + "\" by \"" + nearest_of_ + "\"?";
    }
    return InvalidArgument(std::move(text), kFieldReason);
  }

  JsonReader& reader_;
  BodyFields fields_;
  int data_keys_ = 0;
  std::string_view nearest_;
  std::string nearest_of_;
  Status field_error_;
};

}  // namespace

base::Result<BodyFields> ReadBodyFields(JsonReader& reader) { return FieldReader(reader).Read(); }

std::string_view DataKey(Dialect dialect) { return kDataKeys[static_cast<std::size_t>(dialect)]; }

namespace {

/// A string that `accepts` takes; else an error that says what was expected.
template <class Accepts>
Status ReadText(JsonReader& reader, od::value value, const Path& path, std::string_view expected,
                Accepts accepts, std::string& out) {
  if (KindOf(value) != Kind::kString) {
    base::Error error = Expected(expected, value, path, kFieldReason);
    MUSTER_RETURN_IF_ERROR(reader.WalkRefused(value, 2, path));
    return error;
  }
  const std::string_view token = Token(value);
  std::string scratch;
  MUSTER_ASSIGN_OR_RETURN(const std::string_view text, reader.String(value, path, scratch));
  if (!accepts(text)) return Expected(expected, base::Printable(token), path, kFieldReason);
  out = text;
  return {};
}

}  // namespace

Status ReadName(JsonReader& reader, od::value value, const Path& path, std::string& out) {
  return ReadText(
      reader, value, path, "a name of letters, digits, '.', '_' and '-'",
      [](std::string_view text) { return base::IsValidName(text); }, out);
}

Status ReadId(JsonReader& reader, od::value value, const Path& path, std::string& out) {
  const auto accepts = [](std::string_view text) {
    return text.size() <= kMaxIdBytes && base::Printable(text, kMaxIdBytes) == text;
  };
  return ReadText(reader, value, path, "a printable text of up to 128 bytes", accepts, out);
}

}  // namespace muster::server::codec::internal
