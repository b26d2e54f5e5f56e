#include <cstdio>
#include <filesystem>
#include <string>

#include "apps/muster/commands.h"
#include "apps/muster/runtime.h"

#include "muster/registry/repository.h"

namespace muster::app {
namespace {

std::string Size(std::uintmax_t bytes) {
  char text[32];
  if (bytes < 1024)
    std::snprintf(text, sizeof text, "%ju B", bytes);
  else if (bytes < 1024 * 1024)
    std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
  else
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / 1048576);
  return text;
}

void PrintTensors(const char* title, const std::vector<model::TensorSpec>& specs) {
  for (const model::TensorSpec& spec : specs) {
    std::printf("  %-7s %-20s %s\n", title, spec.name.c_str(), spec.ToString().c_str());
  }
}

bool PrintVersion(model::ModelLoader& loader, const registry::ModelFolder& folder,
                  const registry::VersionFile& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file.path, error);
  std::printf("%s version %s", folder.name.c_str(), file.version.c_str());
  auto model = loader.Load({.path = file.path, .bytes = {}}, {});
  if (!model) {
    std::printf("\n  FAILED  %s\n", model.error().message.c_str());
    return false;
  }
  const model::ModelSpec& spec = (*model)->spec();
  std::printf(" (%s, %s)\n", spec.format.c_str(), error ? "?" : Size(bytes).c_str());
  if (!folder.config.description.empty()) std::printf("  %s\n", folder.config.description.c_str());
  PrintTensors("input", spec.inputs);
  PrintTensors("output", spec.outputs);
  const auto& labels = folder.config.labels.empty() ? spec.labels : folder.config.labels;
  if (!labels.empty()) {
    std::printf("  labels ");
    for (const std::string& label : labels) std::printf(" %s", label.c_str());
    std::printf("\n");
  }
  return true;
}

}  // namespace

int Models(const Options& options) {
  auto folders = registry::FindModels(options.models);
  if (!folders) {
    std::fprintf(stderr, "muster: %s\n", folders.error().message.c_str());
    return 1;
  }
  if (folders->empty()) {
    std::fprintf(stderr, "muster: no models given: expected PATH arguments\n");
    return 2;
  }
  auto loader = OpenLoader(options);
  if (!loader) {
    std::fprintf(stderr, "muster: %s\n", loader.error().message.c_str());
    return 1;
  }
  bool all = true;
  for (const registry::ModelFolder& folder : *folders) {
    if (!folder.status) {
      std::printf("%s\n  FAILED  %s\n", folder.name.c_str(), folder.status.error().message.c_str());
      all = false;
      continue;
    }
    for (const registry::VersionFile& file : folder.versions) {
      all &= PrintVersion(**loader, folder, file);
    }
  }
  return all ? 0 : 1;
}

}  // namespace muster::app
