#include <algorithm>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

base::Status KeySet::Add(std::string_view& key, std::string& scratch, Object object,
                         std::size_t max_keys) {
  if (keys_.size() - object.keys >= max_keys) {
    return base::InvalidArgument(
        "body: an object has more than " + std::to_string(max_keys) + " keys", "TOO_MANY_VALUES");
  }
  if (key.data() == scratch.data()) key = kept_.emplace_back(std::move(scratch));
  keys_.push_back(key);
  return {};
}

base::Status KeySet::End(Object object, const Path& path) {
  const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(object.keys);
  std::sort(begin, keys_.end());
  const auto twice = std::adjacent_find(begin, keys_.end());
  if (twice != keys_.end()) {
    return base::InvalidArgument(
        path.ToString() + ": key \"" + base::Printable(*twice) + "\" comes twice", "DUPLICATE_KEY");
  }
  keys_.erase(begin, keys_.end());
  kept_.resize(object.kept);
  return {};
}

void KeySet::Clear() {
  if (keys_.capacity() > 4096) keys_ = {};
  keys_.clear();
  kept_.clear();
}

}  // namespace muster::server::codec::internal
