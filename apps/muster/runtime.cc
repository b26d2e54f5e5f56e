#include "apps/muster/runtime.h"

#include <filesystem>

namespace muster::app {
namespace {

/// Where the library may be: what the user named; beside the program, as an installed muster has
/// it; where the build fetched it.
backends::onnx::OnnxOptions RuntimeOptions(const Options& options) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  return {.library = options.onnxruntime,
          .search = {(program / "libonnxruntime.so").string(),
                     (program / "../lib/libonnxruntime.so").string(), MUSTER_DEFAULT_ONNXRUNTIME}};
}

}  // namespace

base::Result<std::unique_ptr<model::ModelLoader>> OpenLoader(const Options& options) {
  MUSTER_ASSIGN_OR_RETURN(auto loader, backends::onnx::OnnxLoader::Open(RuntimeOptions(options)));
  return std::unique_ptr<model::ModelLoader>(std::move(loader));
}

std::string RuntimeVersion(const Options& options) {
  auto version = backends::onnx::OnnxVersion(RuntimeOptions(options));
  return version ? "ONNX Runtime " + *version : version.error().message;
}

}  // namespace muster::app
