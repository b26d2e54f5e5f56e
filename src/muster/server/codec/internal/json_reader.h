#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <simdjson.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/server/codec/internal/json_path.h"
#include "muster/server/codec/internal/json_text.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec::internal {

namespace od = simdjson::ondemand;

/// The body as a whole cannot be read: an item of a batch with such an error takes the batch with
/// it, while any other error is the item's own.
bool IsFatal(const base::Error& error);

base::Error JsonError(std::string_view what);
base::Error JsonError(simdjson::error_code code);
base::Error BadString(const Path& path);
base::Error BadToken(std::string_view token, const Path& path);
/// INVALID_ARGUMENT: "<path>: expected <what>, got <value>".
base::Error Expected(std::string_view what, od::value got, const Path& path,
                     std::string_view reason);
base::Error Expected(std::string_view what, std::string_view got, const Path& path,
                     std::string_view reason);

/// A value as error texts repeat it: its token cut to 64 bytes, "a list", "an object".
std::string Shown(od::value value);
/// A scalar's bytes in the body, quotes included.
std::string_view Token(od::value value);
/// Whether a scalar that is no string is a token of JSON at all.
bool IsJsonToken(std::string_view token);
/// By its first byte, which is all that tells the kinds apart; kNone begins no JSON value.
enum class Kind : unsigned char { kNone, kList, kObject, kString, kNumber, kBool, kNull };
Kind KindOf(od::value value);

/// The keys of one object at a time, nested ones above it: refuses the second of two equal keys,
/// in O(n log n) whatever the keys are.
class KeySet {
 public:
  struct Object {
    std::size_t keys = 0;
    std::size_t kept = 0;
  };
  /// Begins an object; what to give to Add and End.
  Object Begin() const { return {keys_.size(), kept_.size()}; }
  /// A key that outlives the object, or `scratch`, which is then taken over.
  /// Errors: TOO_MANY_VALUES beyond `max_keys`.
  base::Status Add(std::string_view& key, std::string& scratch, Object object,
                   std::size_t max_keys);
  /// Ends the object. Errors: DUPLICATE_KEY.
  base::Status End(Object object, const Path& path);
  void Clear();

 private:
  std::vector<std::string_view> keys_;
  std::deque<std::string> kept_;
};

/// One body being read: On-Demand over a parser that the thread keeps, plus what On-Demand leaves
/// to its users: values that are skipped are not validated, and nothing is limited.
/// Not for two bodies at once on one thread.
class JsonReader {
 public:
  explicit JsonReader(const DecodeLimits& limits);
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  /// Starts on `body` (≥ 64 readable bytes behind it), which must be one object.
  /// Errors: JSON, TOO_MANY_VALUES, TYPE.
  base::Status Open(std::span<const std::byte> body);
  /// From the first field of the body, again after Rewind.
  base::Result<od::object> Root();
  void Rewind() { document_.rewind(); }
  /// Where the next token begins; the body must not be at its end. Errors: JSON.
  base::Result<const char*> Location();
  /// Once the root's last field is read. Errors: JSON where more follows.
  base::Status AtEnd();

  /// Reads a value that nobody uses down to its last token; `depth` is that of the value.
  base::Status Walk(od::value value, std::size_t depth, const Path& path);
  /// As Walk, for what has been refused already: numbers no double can hold are its own fault, not
  /// the body's. Lists and objects that have been opened are read again from their start.
  base::Status WalkRefused(od::value value, std::size_t depth, const Path& path);
  base::Status WalkRefused(od::array list, std::size_t depth, const Path& path);
  base::Status WalkRefused(od::object object, std::size_t depth, const Path& path);

  /// A value of kind kString; the text is in the body or in `scratch`. Errors: JSON.
  base::Result<std::string_view> String(od::value value, const Path& path, std::string& scratch);
  base::Result<std::string_view> Key(od::field& field, std::string& scratch);
  KeySet& keys() { return keys_; }
  const DecodeLimits& limits() const { return limits_; }
  std::size_t body_bytes() const { return body_bytes_; }

 private:
  base::Status WalkValue(od::value value, std::size_t depth, const Path& path);
  base::Status WalkList(od::array list, std::size_t depth, const Path& path);
  base::Status WalkObject(od::object object, std::size_t depth, const Path& path);
  base::Status CheckDepth(std::size_t depth, const Path& path) const;
  base::Status WalkScalar(od::value value, const Path& path);

  const DecodeLimits& limits_;
  od::parser& parser_;
  od::document document_;
  KeySet& keys_;
  std::size_t body_bytes_ = 0;
  bool numbers_in_range_ = true;
};

}  // namespace muster::server::codec::internal
