#include "muster/registry/internal/yaml_fields.h"

namespace muster::registry::internal {

std::string Where(const std::string& name, const YAML::Node& node) {
  return name + " line " + std::to_string(node.Mark().line + 1);
}

base::Status ReadStrings(const YAML::Node& node, const std::string& where, std::string_view key,
                         std::vector<std::string>& out) {
  const auto refuse = [&] {
    return base::InvalidArgument(where + ": `" + std::string(key) + "` expects a list of strings");
  };
  if (!node.IsSequence()) return refuse();
  out.clear();
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) return refuse();
    out.push_back(item.Scalar());
  }
  return {};
}

base::Error UnknownKey(std::string_view key, const std::string& where,
                       std::span<const std::string_view> known) {
  const std::string_view nearest = base::NearestOf(key, known);
  return base::InvalidArgument(
      where + ": unknown key `" + base::Printable(key) + "`" +
      (nearest.empty() ? "" : "; did you mean `" + std::string(nearest) + "`?"));
}

}  // namespace muster::registry::internal
