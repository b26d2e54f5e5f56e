#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "muster/backends/onnx/internal/ort_runtime.h"
#include "muster/model/model.h"

namespace muster::backends::onnx {

/// A loaded model as its instances share it; immutable once loaded. Outputs may outlive it: they
/// hold the runtime only.
struct OnnxSession {
  RuntimePtr runtime;
  SessionHandle session;
  OrtInterface face;
  std::vector<const char*> input_names;  // into `face`
  std::vector<const char*> output_names;
  /// Keys of each map output as a probe found them; empty where it found none.
  std::vector<std::vector<std::string>> keys;
};
using SessionPtr = std::shared_ptr<const OnnxSession>;

/// Runs a session, and keeps from run to run what need not be made again. For one thread at a time,
/// but `options` may be told to terminate from any.
class SessionRun {
 public:
  static base::Result<SessionRun> Make(const OnnxSession& session);

  /// The session's outputs, whose handles are the caller's to take. Errors: ErrorOf's.
  base::Result<std::span<ValueHandle>> Run(std::span<const tensor::Tensor> inputs);
  OrtRunOptions* options() { return options_.get(); }

 private:
  /// A value over the memory of the run before, which the next one may have too: a batcher gathers
  /// into the same buffer again and again. It does not keep the memory.
  struct Input {
    ValueHandle value;
    const std::byte* data = nullptr;
    tensor::Shape shape = {};
    tensor::DType dtype = tensor::DType::kFp32;
  };
  SessionRun(const OnnxSession& session, RunOptionsHandle options);
  base::Status SetInput(std::size_t i, const tensor::Tensor& tensor);

  const OnnxSession& session_;
  RunOptionsHandle options_;
  std::vector<Input> inputs_;
  std::vector<const OrtValue*> raw_inputs_;
  std::vector<OrtValue*> raw_outputs_;
  std::vector<ValueHandle> outputs_;
};

/// A model that runs `session`.
std::unique_ptr<model::Model> MakeModel(SessionPtr session);

/// Runs made-up rows to see the keys of map outputs, which are in their values only, and completes
/// `session` with them: keys, labels and the class axis. Where the model refuses all rows, the
/// class axis stays open and there are no labels.
base::Status ProbeMapKeys(OnnxSession& session);

}  // namespace muster::backends::onnx
