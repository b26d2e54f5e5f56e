#include "muster/registry/repository.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "muster/base/text.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using base::InvalidArgument;
using base::NotFound;

constexpr std::string_view kModelFile = "model.onnx";
constexpr std::string_view kConfigFile = "muster.yaml";
constexpr std::uintmax_t kMaxConfigBytes = 1u << 20;

std::optional<std::uint64_t> VersionNumber(const std::string& name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return std::nullopt;
  return number;
}

std::vector<fs::directory_entry> Entries(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!entry.path().filename().string().starts_with(".")) entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

base::Result<ModelConfig> ReadConfig(const fs::path& file, const std::string& shown) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return InvalidArgument(shown + ": not a regular file");
  if (fs::file_size(file, error) > kMaxConfigBytes) return InvalidArgument(shown + ": over 1 MiB");
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return InvalidArgument(shown + ": cannot be read");
  return ParseModelConfig(text.str(), shown);
}

/// The model folder at `folder`, or nothing where it has neither a version nor a config.
std::optional<ModelFolder> ReadModelFolder(const fs::path& folder, const std::string& name) {
  ModelFolder model;
  model.name = name;
  std::vector<std::pair<std::uint64_t, VersionFile>> versions;
  bool looks_like_a_model = false;
  for (const auto& entry : Entries(folder)) {
    const std::string file = entry.path().filename().string();
    std::error_code error;
    if (const auto number = VersionNumber(file); number && entry.is_directory(error)) {
      looks_like_a_model = true;
      if (fs::exists(entry.path() / kModelFile, error)) {
        versions.push_back({*number, {file, (entry.path() / kModelFile).string()}});
      }
    }
  }
  std::error_code error;
  if (fs::exists(folder / kConfigFile, error)) {
    looks_like_a_model = true;
    auto config = ReadConfig(folder / kConfigFile, name + "/" + std::string(kConfigFile));
    if (config) {
      model.config = *std::move(config);
    } else {
      model.status = config.error();
    }
  }
  if (!looks_like_a_model) return std::nullopt;
  std::sort(versions.begin(), versions.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [number, version] : versions) model.versions.push_back(std::move(version));
  if (model.versions.empty() && model.status) {
    model.status = NotFound("model " + name + ": expected a file <version>/" +
                            std::string(kModelFile) + " with a whole number as version");
  }
  return model;
}

/// A trailing slash or "." hides a folder's name; its absolute form shows it.
std::string FolderName(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

base::Result<std::vector<ModelFolder>> FindBelow(const std::string& text) {
  const fs::path path(text);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  std::vector<ModelFolder> found;
  if (!fs::exists(status)) {
    found.push_back({path.stem().string(),
                     {},
                     {},
                     NotFound("no such file or folder: " + path.filename().string())});
    return found;
  }
  if (!fs::is_directory(status)) {
    found.push_back({path.stem().string(), {{"1", text}}, {}, {}});
    return found;
  }
  if (auto model = ReadModelFolder(path, FolderName(path))) {
    found.push_back(*std::move(model));
    return found;
  }
  for (const auto& entry : Entries(path)) {
    if (!entry.is_directory(error)) continue;
    if (auto model = ReadModelFolder(entry.path(), entry.path().filename().string())) {
      found.push_back(*std::move(model));
    }
  }
  if (found.empty()) {
    return NotFound("no models in " + text + ": expected <model>/<version>/" +
                    std::string(kModelFile));
  }
  return found;
}

}  // namespace

base::Result<std::vector<ModelFolder>> FindModels(const std::vector<std::string>& paths) {
  std::vector<ModelFolder> models;
  for (const std::string& path : paths) {
    MUSTER_ASSIGN_OR_RETURN(auto found, FindBelow(path));
    for (ModelFolder& model : found) {
      if (!base::IsValidName(model.name)) {
        return InvalidArgument("model name `" + base::Printable(model.name) +
                               "`: expected 1 to 128 of letters, digits, `.`, `_`, `-`");
      }
      for (const ModelFolder& other : models) {
        if (other.name == model.name) {
          return InvalidArgument("model " + model.name + " is found twice, the second time in " +
                                 path);
        }
      }
      models.push_back(std::move(model));
    }
  }
  return models;
}

}  // namespace muster::registry
