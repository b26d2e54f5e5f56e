#define ORT_API_MANUAL_INIT
#include "muster/backends/onnx/onnx_loader.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <utility>

#include "muster/backends/onnx/internal/ort_runtime.h"
#include "muster/base/mutex.h"

namespace muster::backends::onnx {
namespace {

using base::InvalidArgument;
using base::Status;
using model::RunId;
using tensor::Tensor;

/// What a model and its instances share; an instance may outlive neither, but outputs may outlive
/// both: they hold the runtime only.
struct Loaded {
  RuntimePtr runtime;
  SessionHandle session;
  OrtInterface face;
  std::vector<const char*> input_names;
  std::vector<const char*> output_names;
  /// Keys of each map output, found by the probe; empty where it found none.
  std::vector<std::vector<std::string>> keys;
};

class OnnxInstance final : public model::Instance {
 public:
  OnnxInstance(std::shared_ptr<const Loaded> loaded, RunOptionsHandle options)
      : loaded_(std::move(loaded)),
        options_(std::move(options)),
        raw_outputs_(loaded_->output_names.size()) {}

  void Start(RunId run, std::span<const Tensor> inputs, model::RunSink& sink) noexcept override {
    {
      base::MutexLock lock(mutex_);
      current_ = run;
      running_ = true;
      if (std::exchange(cancelled_, false)) {
        loaded_->runtime->Discard(loaded_->runtime->api->RunOptionsUnsetTerminate(options_.get()));
      }
    }
    auto outputs = Run(inputs);
    bool cancelled = false;
    {
      base::MutexLock lock(mutex_);
      running_ = false;
      cancelled = cancelled_;
    }
    if (!outputs && cancelled) outputs = base::Cancelled("the run was cancelled");
    sink.OnDone(run, std::move(outputs));
  }

  void Cancel(RunId run) noexcept override {
    base::MutexLock lock(mutex_);
    if (!running_ || current_ != run) return;
    cancelled_ = true;
    loaded_->runtime->Discard(loaded_->runtime->api->RunOptionsSetTerminate(options_.get()));
  }

  base::Result<std::vector<Tensor>> Run(std::span<const Tensor> inputs) {
    const OrtRuntime& runtime = *loaded_->runtime;
    values_.clear();
    raw_inputs_.clear();
    for (const Tensor& input : inputs) {
      MUSTER_ASSIGN_OR_RETURN(ValueHandle value, ToOrtValue(runtime, input));
      raw_inputs_.push_back(value.get());
      values_.push_back(std::move(value));
    }
    std::fill(raw_outputs_.begin(), raw_outputs_.end(), nullptr);
    const Status status = runtime.Check(
        runtime.api->Run(loaded_->session.get(), options_.get(), loaded_->input_names.data(),
                         raw_inputs_.data(), raw_inputs_.size(), loaded_->output_names.data(),
                         loaded_->output_names.size(), raw_outputs_.data()));
    values_.clear();  // the inputs' memory is the caller's again
    if (!status) return status.error();
    return TakeOutputs();
  }

 private:
  base::Result<std::vector<Tensor>> TakeOutputs() {
    const OrtApi* api = loaded_->runtime->api;
    std::vector<ValueHandle> owned;
    owned.reserve(raw_outputs_.size());
    for (OrtValue* raw : raw_outputs_)
      owned.emplace_back(raw, OrtDeleter<OrtValue, &OrtApi::ReleaseValue>{api});
    std::vector<Tensor> outputs;
    outputs.reserve(owned.size());
    for (std::size_t i = 0; i < owned.size(); ++i) {
      const OutputKind kind = loaded_->face.kinds[i];
      if (kind == OutputKind::kTensor) {
        MUSTER_ASSIGN_OR_RETURN(Tensor output, FromOrtValue(loaded_->runtime, std::move(owned[i])));
        outputs.push_back(std::move(output));
        continue;
      }
      MUSTER_ASSIGN_OR_RETURN(MapRows rows, FromMaps(*loaded_->runtime, owned[i].get(), kind));
      if (!loaded_->keys.empty() && !loaded_->keys[i].empty() && rows.keys != loaded_->keys[i]) {
        return base::Internal(
            "output `" + loaded_->face.spec.outputs[i].name + "` has other keys than at load",
            "BACKEND_INVALID");
      }
      if (keys_seen_ != nullptr) (*keys_seen_)[i] = std::move(rows.keys);
      outputs.push_back(std::move(rows.probabilities));
    }
    return outputs;
  }

 public:
  /// Where the probe wants the keys of map outputs; null for everybody else.
  std::vector<std::vector<std::string>>* keys_seen_ = nullptr;

 private:
  const std::shared_ptr<const Loaded> loaded_;
  const RunOptionsHandle options_;
  std::vector<ValueHandle> values_;  // reused, as the two below
  std::vector<const OrtValue*> raw_inputs_;
  std::vector<OrtValue*> raw_outputs_;
  base::Mutex mutex_;
  RunId current_ MUSTER_GUARDED_BY(mutex_) = 0;
  bool running_ MUSTER_GUARDED_BY(mutex_) = false;
  bool cancelled_ MUSTER_GUARDED_BY(mutex_) = false;
};

base::Result<std::unique_ptr<OnnxInstance>> MakeInstance(
    const std::shared_ptr<const Loaded>& loaded) {
  OrtRunOptions* raw = nullptr;
  MUSTER_RETURN_IF_ERROR(loaded->runtime->Check(loaded->runtime->api->CreateRunOptions(&raw)));
  return std::make_unique<OnnxInstance>(loaded, RunOptionsHandle(raw, {loaded->runtime->api}));
}

class OnnxModel final : public model::Model {
 public:
  explicit OnnxModel(std::shared_ptr<const Loaded> loaded) : loaded_(std::move(loaded)) {}
  const model::ModelSpec& spec() const override { return loaded_->face.spec; }
  base::Result<std::unique_ptr<model::Instance>> NewInstance(
      const model::InstanceOptions&) override {
    MUSTER_ASSIGN_OR_RETURN(auto instance, MakeInstance(loaded_));
    return std::unique_ptr<model::Instance>(std::move(instance));
  }

 private:
  std::shared_ptr<const Loaded> loaded_;
};

Status CheckFile(const model::ModelSource& source) {
  struct stat info{};
  if (stat(source.path.c_str(), &info) != 0) {
    return base::NotFound(source.DisplayName() + ": " +
                          (errno == ENOENT ? "no such file" : std::strerror(errno)));
  }
  // A FIFO or a device would block or never end.
  if (!S_ISREG(info.st_mode)) return InvalidArgument(source.DisplayName() + ": not a regular file");
  if (info.st_size == 0) return InvalidArgument(source.DisplayName() + ": the file is empty");
  return {};
}

class OnnxLoaderImpl final : public OnnxLoader {
 public:
  explicit OnnxLoaderImpl(RuntimePtr runtime) : runtime_(std::move(runtime)) {}
  std::string RuntimeVersion() const override { return runtime_->version; }

  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource& source,
                                                   const model::LoadOptions& options) override {
    if (!source.path.empty()) MUSTER_RETURN_IF_ERROR(CheckFile(source));
    auto loaded = std::make_shared<Loaded>(
        Loaded{runtime_, SessionHandle(nullptr, {runtime_->api}), {}, {}, {}, {}});
    MUSTER_RETURN_IF_ERROR(
        OpenSession(source, options, loaded->session).WithContext(source.DisplayName()));
    auto face = ReadInterface(*runtime_, loaded->session.get());
    if (!face) return face.error().WithContext(source.DisplayName());
    loaded->face = *std::move(face);
    for (const auto& input : loaded->face.spec.inputs)
      loaded->input_names.push_back(input.name.c_str());
    for (const auto& output : loaded->face.spec.outputs)
      loaded->output_names.push_back(output.name.c_str());
    MUSTER_RETURN_IF_ERROR(ReadMetadata(*loaded));
    MUSTER_RETURN_IF_ERROR(ProbeMapKeys(loaded));
    return std::unique_ptr<model::Model>(std::make_unique<OnnxModel>(std::move(loaded)));
  }

 private:
  Status OpenSession(const model::ModelSource& source, const model::LoadOptions& options,
                     SessionHandle& session) const {
    const OrtApi& api = *runtime_->api;
    OrtSessionOptions* raw_options = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.CreateSessionOptions(&raw_options)));
    const OptionsHandle handle(raw_options, {&api});
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.SetIntraOpNumThreads(raw_options, options.threads)));
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.SetInterOpNumThreads(raw_options, 1)));
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.SetSessionExecutionMode(raw_options, ORT_SEQUENTIAL)));
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.SetSessionGraphOptimizationLevel(raw_options, ORT_ENABLE_ALL)));
    // Spinning threads would take the cores that other instances run on.
    MUSTER_RETURN_IF_ERROR(runtime_->Check(
        api.AddSessionConfigEntry(raw_options, "session.intra_op.allow_spinning", "0")));
    // A memory pattern is kept per input shape, and batching makes every size occur.
    MUSTER_RETURN_IF_ERROR(runtime_->Check(api.DisableMemPattern(raw_options)));
    OrtSession* raw = nullptr;
    OrtStatus* status =
        source.path.empty()
            ? api.CreateSessionFromArray(runtime_->env, source.bytes.data(), source.bytes.size(),
                                         raw_options, &raw)
            : api.CreateSession(runtime_->env, source.path.c_str(), raw_options, &raw);
    session.reset(raw);
    const Status opened = runtime_->Check(status);
    if (opened) return {};
    return InvalidArgument("not a model this runtime can load: " + opened.error().message);
  }

  Status ReadMetadata(Loaded& loaded) const {
    const OrtApi& api = *runtime_->api;
    OrtModelMetadata* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(
        runtime_->Check(api.SessionGetModelMetadata(loaded.session.get(), &raw)));
    const MetadataHandle metadata(raw, {&api});
    const auto text = [&](auto get, std::string& out) -> Status {
      char* value = nullptr;
      MUSTER_RETURN_IF_ERROR(runtime_->Check(get(metadata.get(), runtime_->allocator, &value)));
      out = value;
      return runtime_->Check(api.AllocatorFree(runtime_->allocator, value));
    };
    MUSTER_RETURN_IF_ERROR(text(api.ModelMetadataGetProducerName, loaded.face.spec.producer));
    return text(api.ModelMetadataGetDescription, loaded.face.spec.description);
  }

  /// A map's keys are in its values only, so one row of zeros is run to see them. A model that
  /// refuses that row keeps an open class axis and no labels.
  Status ProbeMapKeys(const std::shared_ptr<Loaded>& loaded) const {
    const auto& kinds = loaded->face.kinds;
    if (std::all_of(kinds.begin(), kinds.end(),
                    [](OutputKind k) { return k == OutputKind::kTensor; })) {
      return {};
    }
    std::vector<Tensor> row;
    for (const model::TensorSpec& input : loaded->face.spec.inputs) {
      std::vector<std::int64_t> dims;
      for (const model::Dim& dim : input.dims) dims.push_back(dim.dynamic() ? 1 : dim.size);
      MUSTER_ASSIGN_OR_RETURN(const tensor::Shape shape, tensor::Shape::Make(dims));
      row.push_back(Tensor::Allocate(input.dtype, shape));
      if (input.dtype != tensor::DType::kBytes)
        std::memset(row.back().bytes(), 0, row.back().byte_size());
    }
    std::vector<std::vector<std::string>> keys(kinds.size());
    MUSTER_ASSIGN_OR_RETURN(auto instance, MakeInstance(loaded));
    instance->keys_seen_ = &keys;
    if (!instance->Run(row)) return {};
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].empty()) continue;
      loaded->face.spec.outputs[i].dims.back().size = static_cast<std::int64_t>(keys[i].size());
      if (loaded->face.spec.labels.empty()) loaded->face.spec.labels = keys[i];
    }
    loaded->keys = std::move(keys);
    return {};
  }

  RuntimePtr runtime_;
};

}  // namespace

base::Result<std::unique_ptr<OnnxLoader>> OnnxLoader::Open(const OnnxOptions& options) {
  std::string library = options.library;
  if (const char* named = std::getenv("MUSTER_ONNXRUNTIME"); library.empty() && named != nullptr) {
    library = named;
  }
  if (library.empty()) library = "libonnxruntime.so";
  MUSTER_ASSIGN_OR_RETURN(RuntimePtr runtime, OpenRuntime(library));
  return std::unique_ptr<OnnxLoader>(std::make_unique<OnnxLoaderImpl>(std::move(runtime)));
}

}  // namespace muster::backends::onnx
