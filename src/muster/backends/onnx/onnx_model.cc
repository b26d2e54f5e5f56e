#include <new>
#include <utility>

#include "muster/backends/onnx/internal/onnx_session.h"
#include "muster/base/mutex.h"

namespace muster::backends::onnx {
namespace {

using model::RunId;
using tensor::Tensor;

/// Synchronous. Many instances of a session may run at once; the runtime allows it.
class OnnxInstance final : public model::Instance {
 public:
  OnnxInstance(SessionPtr session, SessionRun run)
      : session_(std::move(session)),
        run_(std::move(run)),
        shapes_(session_->output_names.size()) {}

  void Start(RunId run, std::span<const Tensor> inputs, model::RunSink& sink) noexcept override {
    Begin(run);
    base::Result<std::vector<Tensor>> outputs = Run(inputs);
    if (End() && !outputs) outputs = base::Cancelled("the run was cancelled");
    sink.OnDone(run, std::move(outputs));
  }

  bool completes_inline() const override { return true; }

  void Cancel(RunId run) noexcept override {
    base::MutexLock lock(mutex_);
    if (!running_ || current_ != run) return;
    cancelled_ = true;
    runtime().Discard(runtime().api->RunOptionsSetTerminate(run_.options()));
  }

 private:
  const OrtRuntime& runtime() const { return *session_->runtime; }

  void Begin(RunId run) {
    base::MutexLock lock(mutex_);
    current_ = run;
    running_ = true;
  }

  /// Whether the run was cancelled. The flag is taken back for the next run under the lock that
  /// Cancel sets it under, so that it never hits a later one.
  bool End() {
    base::MutexLock lock(mutex_);
    running_ = false;
    if (!cancelled_) return false;
    cancelled_ = false;
    runtime().Discard(runtime().api->RunOptionsUnsetTerminate(run_.options()));
    return true;
  }

  base::Result<std::vector<Tensor>> Run(std::span<const Tensor> inputs) try {
    MUSTER_ASSIGN_OR_RETURN(const std::span<ValueHandle> values, run_.Run(inputs));
    std::vector<Tensor> outputs;
    outputs.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(Tensor output, Output(i, std::move(values[i]), inputs));
      outputs.push_back(std::move(output));
    }
    return outputs;
  } catch (const std::bad_alloc&) {
    return base::ResourceExhausted("no memory for the model's outputs");
  }

  base::Result<Tensor> Output(std::size_t i, ValueHandle value, std::span<const Tensor> inputs) {
    const OutputKind kind = session_->face.kinds[i];
    if (kind == OutputKind::kTensor) {
      return FromOrtValue(session_->runtime, std::move(value), inputs, shapes_[i]);
    }
    MUSTER_ASSIGN_OR_RETURN(MapRows rows, FromMaps(runtime(), value.get(), kind));
    const auto& expected = session_->keys[i];
    if (!expected.empty() && !rows.keys.empty() && rows.keys != expected) {
      return base::Internal(
          "output `" + session_->face.spec.outputs[i].name + "` has other keys than at load",
          "BACKEND_INVALID");
    }
    return std::move(rows.probabilities);
  }

  const SessionPtr session_;
  SessionRun run_;
  std::vector<tensor::Shape> shapes_;  // of the outputs of the run before
  base::Mutex mutex_;
  RunId current_ MUSTER_GUARDED_BY(mutex_) = 0;
  bool running_ MUSTER_GUARDED_BY(mutex_) = false;
  bool cancelled_ MUSTER_GUARDED_BY(mutex_) = false;
};

class OnnxModel final : public model::Model {
 public:
  explicit OnnxModel(SessionPtr session) : session_(std::move(session)) {}
  const model::ModelSpec& spec() const override { return session_->face.spec; }
  base::Result<std::unique_ptr<model::Instance>> NewInstance(
      const model::InstanceOptions&) override {
    // Threads belong to the session here, hence to LoadOptions.
    MUSTER_ASSIGN_OR_RETURN(SessionRun run, SessionRun::Make(*session_));
    return std::unique_ptr<model::Instance>(
        std::make_unique<OnnxInstance>(session_, std::move(run)));
  }

 private:
  const SessionPtr session_;
};

}  // namespace

std::unique_ptr<model::Model> MakeModel(SessionPtr session) {
  return std::make_unique<OnnxModel>(std::move(session));
}

}  // namespace muster::backends::onnx
