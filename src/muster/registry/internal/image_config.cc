#include "muster/registry/internal/image_config.h"

#include <array>
#include <optional>
#include <utility>

#include "muster/registry/internal/yaml_fields.h"

namespace muster::registry::internal {
namespace {

using base::InvalidArgument;
using base::Status;
using model::ImageOptions;

constexpr std::array<std::string_view, 16> kKeys = {
    "size", "fit",        "resize", "filter", "channels",        "layout", "scale",   "mean",
    "std",  "background", "invert", "trim",   "scaled_decoding", "output", "softmax", "top_k"};

template <class T>
using Names = std::span<const std::pair<std::string_view, T>>;

template <class T>
Status ReadName(const YAML::Node& node, const std::string& where, std::string_view key,
                Names<T> names, T& out) {
  std::string expected;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) expected += i + 1 == names.size() ? " or " : ", ";
    expected += names[i].first;
  }
  std::string text;
  MUSTER_RETURN_IF_ERROR(ReadScalar(node, where, key, expected, text));
  for (const auto& [name, value] : names) {
    if (name != text) continue;
    out = value;
    return {};
  }
  return InvalidArgument(where + ": `" + std::string(key) + "` expects " + expected + ", got `" +
                         base::Printable(text) + "`");
}

template <class T>
Status ReadNumbers(const YAML::Node& node, const std::string& where, std::string_view key,
                   std::string_view expected, std::vector<T>& out) {
  out.clear();
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      MUSTER_RETURN_IF_ERROR(ReadScalar(item, where, key, expected, out.emplace_back()));
    }
    return {};
  }
  return ReadScalar(node, where, key, expected, out.emplace_back());
}

constexpr std::array<std::pair<std::string_view, ImageOptions::Fit>, 3> kFits = {{
    {"stretch", ImageOptions::Fit::kStretch},
    {"crop", ImageOptions::Fit::kCrop},
    {"pad", ImageOptions::Fit::kPad},
}};
constexpr std::array<std::pair<std::string_view, ImageOptions::Filter>, 4> kFilters = {{
    {"triangle", ImageOptions::Filter::kTriangle},
    {"box", ImageOptions::Filter::kBox},
    {"bicubic", ImageOptions::Filter::kBicubic},
    {"lanczos", ImageOptions::Filter::kLanczos},
}};
constexpr std::array<std::pair<std::string_view, ImageOptions::Channels>, 3> kChannels = {{
    {"rgb", ImageOptions::Channels::kRgb},
    {"bgr", ImageOptions::Channels::kBgr},
    {"grey", ImageOptions::Channels::kGrey},
}};
constexpr std::array<std::pair<std::string_view, ImageOptions::Layout>, 3> kLayouts = {{
    {"auto", ImageOptions::Layout::kAuto},
    {"NCHW", ImageOptions::Layout::kNchw},
    {"NHWC", ImageOptions::Layout::kNhwc},
}};
// `true` and `false` are what YAML calls them.
constexpr std::array<std::pair<std::string_view, ImageOptions::Choice>, 3> kChoices = {{
    {"auto", ImageOptions::Choice::kAuto},
    {"true", ImageOptions::Choice::kYes},
    {"false", ImageOptions::Choice::kNo},
}};

Status ReadBackground(const YAML::Node& node, const std::string& where, ImageOptions& out) {
  constexpr std::string_view kExpected = "three numbers from 0 to 255: red, green, blue";
  std::vector<int> colors;
  MUSTER_RETURN_IF_ERROR(ReadNumbers(node, where, "background", kExpected, colors));
  std::array<std::uint8_t, 3> background{};
  const auto refuse = [&] {
    return InvalidArgument(where + ": `background` expects " + std::string(kExpected));
  };
  if (colors.size() != background.size()) return refuse();
  for (std::size_t i = 0; i < colors.size(); ++i) {
    if (colors[i] < 0 || colors[i] > 255) return refuse();
    background[i] = static_cast<std::uint8_t>(colors[i]);
  }
  out.background = background;
  return {};
}

Status ReadImageKey(const std::string& key, const YAML::Node& node, const std::string& where,
                    ImageOptions& out) {
  if (key == "output") return ReadScalar(node, where, key, "a name", out.output);
  if (key == "size") return ReadNumbers(node, where, key, "[height, width]", out.size);
  if (key == "fit") return ReadName<ImageOptions::Fit>(node, where, key, kFits, out.fit);
  if (key == "resize") return ReadScalar(node, where, key, "a whole number", out.resize);
  if (key == "filter")
    return ReadName<ImageOptions::Filter>(node, where, key, kFilters, out.filter);
  if (key == "channels") {
    return ReadName<ImageOptions::Channels>(node, where, key, kChannels, out.channels.emplace());
  }
  if (key == "layout")
    return ReadName<ImageOptions::Layout>(node, where, key, kLayouts, out.layout);
  if (key == "scale") return ReadScalar(node, where, key, "a number", out.scale.emplace());
  if (key == "mean") return ReadNumbers(node, where, key, "one number or three", out.mean);
  if (key == "std") return ReadNumbers(node, where, key, "one number or three", out.std);
  if (key == "background") return ReadBackground(node, where, out);
  if (key == "invert")
    return ReadName<ImageOptions::Choice>(node, where, key, kChoices, out.invert);
  if (key == "trim") return ReadScalar(node, where, key, "true or false", out.trim);
  if (key == "scaled_decoding") {
    return ReadScalar(node, where, key, "true or false", out.scaled_decoding);
  }
  if (key == "softmax")
    return ReadName<ImageOptions::Choice>(node, where, key, kChoices, out.softmax);
  if (key == "top_k") return ReadScalar(node, where, key, "a whole number", out.top_k);
  return UnknownKey(key, where, kKeys);
}

}  // namespace

Status ReadImage(const YAML::Node& node, const std::string& where, ImageOptions& out) {
  if (node.IsNull()) return {};
  if (!node.IsMap())
    return InvalidArgument(where + ": `image` expects a mapping of keys to values");
  std::vector<std::string> seen;
  const std::string file = where.substr(0, where.rfind(" line "));
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const std::string at = Where(file, entry.first);
    for (const std::string& other : seen) {
      if (other == key) return InvalidArgument(at + ": `image." + key + "` is given twice");
    }
    seen.push_back(key);
    MUSTER_RETURN_IF_ERROR(ReadImageKey(key, entry.second, at, out));
  }
  return {};
}

}  // namespace muster::registry::internal
