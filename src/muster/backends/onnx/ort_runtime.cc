#include "muster/backends/onnx/internal/ort_runtime.h"

#include <cstdlib>
#include <dlfcn.h>

namespace muster::backends::onnx {
namespace {

using base::Unavailable;

std::string HowToGet() {
  return "; run tools/fetch-onnxruntime, or name a library of version 1." +
         std::to_string(ORT_API_VERSION) + " or later with --onnxruntime or MUSTER_ONNXRUNTIME";
}

/// An opened library that says it is ONNX Runtime.
struct Library {
  void* handle = nullptr;
  const OrtApiBase* base = nullptr;
};

base::Result<Library> OpenLibrary(const std::string& path) {
  // Local: the library exports the symbols of what it contains, which must not become ours.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return Unavailable("ONNX Runtime cannot be opened: " +
                       std::string(reason == nullptr ? "unknown reason" : reason) + HowToGet());
  }
  using GetApiBase = const OrtApiBase*(ORT_API_CALL*)();
  const auto get_base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) {
    dlclose(handle);
    return Unavailable(path + " is not ONNX Runtime: it has no OrtGetApiBase" + HowToGet());
  }
  return Library{handle, get_base()};
}

void ORT_API_CALL IgnoreLog(void*, OrtLoggingLevel, const char*, const char*, const char*,
                            const char*) {
  // What matters comes back as a status; the rest would be text of clients' data in our log.
}

/// Official builds from 1.29 on report to their makers: an uploading thread, a database in the home
/// folder, the names and hashes of models (microsoft/onnxruntime, pull request 27379). Looked at
/// once, when the environment is made. Whoever has set it already meant what they set.
void KeepRuntimeFromReporting() { setenv("ORT_DISABLE_TELEMETRY", "1", /*overwrite=*/0); }

}  // namespace

OrtRuntime::~OrtRuntime() {
  if (api == nullptr) return;
  if (cpu != nullptr) api->ReleaseMemoryInfo(cpu);
  if (env != nullptr) api->ReleaseEnv(env);
}

base::Error OrtRuntime::TakeError(OrtStatus* status) const {
  base::Error error = ErrorOf(api->GetErrorCode(status), api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return error;
}

base::Result<RuntimePtr> OpenRuntime(const std::string& path) {
  KeepRuntimeFromReporting();
  MUSTER_ASSIGN_OR_RETURN(const Library library, OpenLibrary(path));
  auto runtime = std::make_shared<OrtRuntime>();
  runtime->version = library.base->GetVersionString();
  // Newer headers than the library give no table at all, and would be a crash if used unchecked.
  runtime->api = library.base->GetApi(ORT_API_VERSION);
  if (runtime->api == nullptr) {
    dlclose(library.handle);
    return Unavailable("ONNX Runtime " + runtime->version + " is too old" + HowToGet());
  }
  const OrtApi& api = *runtime->api;
  MUSTER_RETURN_IF_ERROR(runtime->Check(api.CreateEnvWithCustomLogger(
      IgnoreLog, nullptr, ORT_LOGGING_LEVEL_FATAL, "muster", &runtime->env)));
  MUSTER_RETURN_IF_ERROR(runtime->Check(api.DisableTelemetryEvents(runtime->env)));
  MUSTER_RETURN_IF_ERROR(runtime->Check(
      api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &runtime->cpu)));
  MUSTER_RETURN_IF_ERROR(runtime->Check(api.GetAllocatorWithDefaultOptions(&runtime->allocator)));
  return RuntimePtr(std::move(runtime));
}

base::Result<std::string> LibraryVersion(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const Library library, OpenLibrary(path));
  return std::string(library.base->GetVersionString());
}

}  // namespace muster::backends::onnx
