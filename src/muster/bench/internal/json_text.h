#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace muster::bench {

/// A member of an object that is text, else empty: nothing a server sends makes this throw.
inline std::string TextOf(const nlohmann::json& value, const char* key) {
  if (!value.is_object()) return "";
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace muster::bench
