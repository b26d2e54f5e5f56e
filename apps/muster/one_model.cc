#include "apps/muster/one_model.h"

#include <cerrno>
#include <fstream>
#include <system_error>

namespace muster::app {

base::Result<registry::ModelFolder> FindOne(const Options& options) {
  MUSTER_ASSIGN_OR_RETURN(auto folders, registry::FindModels(options.models));
  if (folders.empty()) return base::InvalidArgument("no model given: expected a PATH argument");
  if (folders.size() > 1) {
    std::string names;
    for (const registry::ModelFolder& folder : folders) {
      names += (names.empty() ? "" : ", ") + folder.name;
    }
    return base::InvalidArgument("expected the path of one model, found " +
                                 std::to_string(folders.size()) + ": " + names);
  }
  if (!folders[0].status) return folders[0].status.error();
  return std::move(folders[0]);
}

const registry::VersionFile& NewestOf(const registry::ModelFolder& folder) {
  return folder.versions.back();
}

base::Status WriteText(const std::string& file, const std::string& text) {
  errno = 0;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out) return {};
  return base::Unavailable(
      file + " cannot be written: " + std::error_code(errno, std::generic_category()).message());
}

}  // namespace muster::app
