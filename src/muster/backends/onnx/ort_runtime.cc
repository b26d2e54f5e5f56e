#define ORT_API_MANUAL_INIT
#include "muster/backends/onnx/internal/ort_runtime.h"

#include <cstdlib>
#include <dlfcn.h>
#include <string_view>

namespace muster::backends::onnx {
namespace {

using base::Code;
using base::Error;
using base::Unavailable;

constexpr std::string_view kHowToGet =
    "; run tools/fetch-onnxruntime, or name a library of version 1.21 or later with --onnxruntime "
    "or MUSTER_ONNXRUNTIME";

/// Drops tokens that are paths: the runtime names files of its own source, and of ours.
std::string WithoutPaths(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t space = text.find_first_of(" \n");
    const std::string_view token = text.substr(0, space);
    if (token.find('/') == std::string_view::npos && !token.empty()) {
      if (!out.empty()) out += ' ';
      out += token;
    }
    if (space == std::string_view::npos) break;
    text.remove_prefix(space + 1);
  }
  return out;
}

/// "node `x` (Reshape)" where the runtime says which node failed.
std::string FailedNode(std::string_view text) {
  constexpr std::string_view kRunning = "while running ";
  const std::size_t at = text.find(kRunning);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + kRunning.size());
  const std::string type(rest.substr(0, rest.find(' ')));
  const std::size_t quote = rest.find('\'');
  const std::size_t end = quote == std::string_view::npos ? quote : rest.find('\'', quote + 1);
  const std::string name(end == std::string_view::npos ? ""
                                                       : rest.substr(quote + 1, end - quote - 1));
  return name.empty() || name.find('/') != std::string::npos ? "a node " + type
                                                             : "node `" + name + "` (" + type + ")";
}

Error ToError(OrtErrorCode code, std::string_view text) {
  if (text.find("bad_alloc") != std::string_view::npos ||
      text.find("Failed to allocate memory") != std::string_view::npos) {
    return base::ResourceExhausted("ONNX Runtime ran out of memory");
  }
  if (const std::string node = FailedNode(text); !node.empty()) {
    return base::InvalidArgument("the model failed at " + node);
  }
  const std::string shown = WithoutPaths(text);
  switch (code) {
    case ORT_NO_SUCHFILE:
    case ORT_NO_MODEL:
      return base::NotFound(shown);
    case ORT_ENGINE_ERROR:
      return Unavailable(shown);
    default:
      return base::InvalidArgument(shown);
  }
}

void ORT_API_CALL IgnoreLog(void*, OrtLoggingLevel, const char*, const char*, const char*,
                            const char*) {
  // What matters comes back as a status; the rest would be text of clients' data in our log.
}

}  // namespace

OrtRuntime::~OrtRuntime() {
  if (api == nullptr) return;
  if (cpu != nullptr) api->ReleaseMemoryInfo(cpu);
  if (env != nullptr) api->ReleaseEnv(env);
}

base::Status OrtRuntime::Check(OrtStatus* status) const {
  if (status == nullptr) return {};
  Error error = ToError(api->GetErrorCode(status), api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return error;
}

base::Result<RuntimePtr> OpenRuntime(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return Unavailable("ONNX Runtime cannot be opened: " +
                       std::string(reason == nullptr ? "unknown reason" : reason) +
                       std::string(kHowToGet));
  }
  using GetApiBase = const OrtApiBase*(ORT_API_CALL*)();
  const auto get_base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) {
    return Unavailable(library + " is not ONNX Runtime: it has no OrtGetApiBase" +
                       std::string(kHowToGet));
  }
  auto runtime = std::make_shared<OrtRuntime>();
  runtime->version = get_base()->GetVersionString();
  runtime->api = get_base()->GetApi(ORT_API_VERSION);
  if (runtime->api == nullptr) {
    return Unavailable("ONNX Runtime " + runtime->version + " is too old" + std::string(kHowToGet));
  }
  MUSTER_RETURN_IF_ERROR(runtime->Check(runtime->api->CreateEnvWithCustomLogger(
      IgnoreLog, nullptr, ORT_LOGGING_LEVEL_FATAL, "muster", &runtime->env)));
  MUSTER_RETURN_IF_ERROR(runtime->Check(
      runtime->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &runtime->cpu)));
  MUSTER_RETURN_IF_ERROR(
      runtime->Check(runtime->api->GetAllocatorWithDefaultOptions(&runtime->allocator)));
  return RuntimePtr(std::move(runtime));
}

}  // namespace muster::backends::onnx
