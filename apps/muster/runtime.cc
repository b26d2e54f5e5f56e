#include "apps/muster/runtime.h"

#include <filesystem>

namespace muster::app {
namespace {

/// Where the library may be: what the user named; beside the program, as an installed muster has
/// it; where the build fetched it.
backends::onnx::OnnxOptions RuntimeOptions(const Options& options) {
  backends::onnx::OnnxOptions runtime;
  if (!options.onnxruntime.empty()) {
    runtime.library = options.onnxruntime;
    return runtime;
  }
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const std::filesystem::path& candidate :
       {program / "libonnxruntime.so", program / "../lib/libonnxruntime.so",
        std::filesystem::path(MUSTER_DEFAULT_ONNXRUNTIME)}) {
    if (std::filesystem::exists(candidate, error)) {
      runtime.library = candidate.string();
      return runtime;
    }
  }
  return runtime;
}

}  // namespace

base::Result<std::unique_ptr<model::ModelLoader>> OpenLoader(const Options& options) {
  MUSTER_ASSIGN_OR_RETURN(auto loader, backends::onnx::OnnxLoader::Open(RuntimeOptions(options)));
  return std::unique_ptr<model::ModelLoader>(std::move(loader));
}

std::string RuntimeVersion(const Options& options) {
  auto loader = backends::onnx::OnnxLoader::Open(RuntimeOptions(options));
  return loader ? "ONNX Runtime " + (*loader)->RuntimeVersion() : loader.error().message;
}

}  // namespace muster::app
