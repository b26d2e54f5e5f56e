#include "muster/backends/onnx/onnx_loader.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include "muster/backends/onnx/internal/onnx_session.h"

namespace muster::backends::onnx {
namespace {

using base::InvalidArgument;
using base::Status;

Status CheckSource(const model::ModelSource& source) {
  if (source.path.empty()) {
    return source.bytes.empty() ? Status(InvalidArgument("there are none")) : Status();
  }
  struct stat info{};
  if (stat(source.path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return base::NotFound("no such file");
    return InvalidArgument("the file cannot be read: " +
                           std::error_code(errno, std::generic_category()).message());
  }
  // A FIFO or a device would block or never end.
  if (!S_ISREG(info.st_mode)) return InvalidArgument("not a regular file");
  if (info.st_size == 0) return InvalidArgument("the file is empty");
  return {};
}

void ReplaceAll(std::string& text, const std::string& what, const std::string& with) {
  if (what.empty()) return;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

/// The runtime's text without the path it was given, nor that of the folder, where it looks for
/// files of weights and which it may have resolved. Spaces make these look like several words, so
/// they are taken out as a whole before CleanText looks at the rest.
std::string WithoutSourcePath(std::string text, const model::ModelSource& source) {
  if (source.path.empty()) return text;
  ReplaceAll(text, "Load model from " + source.path + " failed:", "");
  ReplaceAll(text, source.path, source.DisplayName());
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(source.path).parent_path();
  const std::filesystem::path resolved = std::filesystem::canonical(folder, error);
  for (const std::filesystem::path& path : {folder, resolved}) {
    if (path.has_relative_path()) ReplaceAll(text, path.string() + "/", "");
  }
  return text;
}

class OnnxLoaderImpl final : public OnnxLoader {
 public:
  explicit OnnxLoaderImpl(RuntimePtr runtime) : runtime_(std::move(runtime)) {}
  std::string RuntimeVersion() const override { return runtime_->version; }

  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource& source,
                                                   const model::LoadOptions& options) override try {
    return LoadChecked(source, options).WithContext(source.DisplayName());
  } catch (const std::bad_alloc&) {
    return base::ResourceExhausted(source.DisplayName() + ": no memory to load it");
  }

 private:
  base::Result<std::unique_ptr<model::Model>> LoadChecked(const model::ModelSource& source,
                                                          const model::LoadOptions& options) const {
    MUSTER_RETURN_IF_ERROR(CheckSource(source));
    auto loaded = std::make_shared<OnnxSession>(
        OnnxSession{runtime_, SessionHandle(nullptr, {runtime_->api}), {}, {}, {}, {}});
    MUSTER_ASSIGN_OR_RETURN(loaded->session, OpenSession(source, options));
    MUSTER_ASSIGN_OR_RETURN(loaded->face, ReadInterface(*runtime_, loaded->session.get()));
    for (const auto& input : loaded->face.spec.inputs) {
      loaded->input_names.push_back(input.name.c_str());
    }
    for (const auto& output : loaded->face.spec.outputs) {
      loaded->output_names.push_back(output.name.c_str());
    }
    MUSTER_RETURN_IF_ERROR(ProbeMapKeys(*loaded));
    return MakeModel(std::move(loaded));
  }

  base::Result<OptionsHandle> MakeOptions(const model::LoadOptions& options) const {
    const OrtApi& api = *runtime_->api;
    OrtSessionOptions* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.CreateSessionOptions(&raw)));
    OptionsHandle handle(raw, {&api});
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.SetIntraOpNumThreads(raw, options.threads)));
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.SetInterOpNumThreads(raw, 1)));
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.SetSessionExecutionMode(raw, ORT_SEQUENTIAL)));
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.SetSessionGraphOptimizationLevel(raw, ORT_ENABLE_ALL)));
    // Spinning threads would take the cores that other instances run on.
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.AddSessionConfigEntry(raw, "session.intra_op.allow_spinning", "0")));
    // Bytes that look like the runtime's own format are no ONNX model.
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.AddSessionConfigEntry(raw, "session.load_model_format", "ONNX")));
    // A memory pattern is kept per input shape, and clients choose shapes.
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.DisableMemPattern(raw)));
    // The arena keeps the memory of the largest run for good, and its lock makes a small one slower
    // (onnx_model_benchmark).
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.DisableCpuMemArena(raw)));
    return handle;
  }

  base::Result<SessionHandle> OpenSession(const model::ModelSource& source,
                                          const model::LoadOptions& options) const {
    const OrtApi& api = *runtime_->api;
    MUSTER_ASSIGN_OR_RETURN(const OptionsHandle handle, MakeOptions(options));
    OrtSession* raw = nullptr;
    OrtStatus* status =
        source.path.empty()
            ? api.CreateSessionFromArray(runtime_->env, source.bytes.data(), source.bytes.size(),
                                         handle.get(), &raw)
            : api.CreateSession(runtime_->env, source.path.c_str(), handle.get(), &raw);
    if (status == nullptr) return SessionHandle(raw, {&api});
    const OrtErrorCode code = api.GetErrorCode(status);
    const std::string text = WithoutSourcePath(api.GetErrorMessage(status), source);
    api.ReleaseStatus(status);
    base::Error error = ErrorOf(code, text);
    if (error.code != base::Code::kInvalidArgument) return error;
    return error.WithContext("not a model this runtime can load");
  }

  const RuntimePtr runtime_;
};

std::string LibraryOf(const OnnxOptions& options) {
  if (!options.library.empty()) return options.library;
  const char* named = std::getenv("MUSTER_ONNXRUNTIME");
  if (named != nullptr && *named != '\0') return named;
  std::error_code error;
  for (const std::string& path : options.search) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return "libonnxruntime.so";
}

}  // namespace

base::Result<std::unique_ptr<OnnxLoader>> OnnxLoader::Open(const OnnxOptions& options) {
  MUSTER_ASSIGN_OR_RETURN(RuntimePtr runtime, OpenRuntime(LibraryOf(options)));
  return std::unique_ptr<OnnxLoader>(std::make_unique<OnnxLoaderImpl>(std::move(runtime)));
}

base::Result<std::string> OnnxVersion(const OnnxOptions& options) {
  return LibraryVersion(LibraryOf(options));
}

}  // namespace muster::backends::onnx
