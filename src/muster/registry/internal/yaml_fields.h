#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "muster/base/result.h"
#include "muster/base/text.h"

namespace muster::registry::internal {

/// "<name> line <n>".
std::string Where(const std::string& name, const YAML::Node& node);

/// One value. Errors: INVALID_ARGUMENT with what was expected and what came.
template <class T>
base::Status ReadScalar(const YAML::Node& node, const std::string& where, std::string_view key,
                        std::string_view expected, T& out) {
  // yaml-cpp's as<T> throws; its try-form does not.
  T value{};
  if (!node.IsScalar() || !YAML::convert<T>::decode(node, value)) {
    return base::InvalidArgument(where + ": `" + std::string(key) + "` expects " +
                                 std::string(expected) +
                                 (node.IsScalar() ? ", got `" + base::Printable(node.Scalar()) + "`"
                                                  : ", got a list or mapping"));
  }
  out = value;
  return {};
}

base::Status ReadStrings(const YAML::Node& node, const std::string& where, std::string_view key,
                         std::vector<std::string>& out);

/// INVALID_ARGUMENT, naming the nearest of `known`.
base::Error UnknownKey(std::string_view key, const std::string& where,
                       std::span<const std::string_view> known);

}  // namespace muster::registry::internal
