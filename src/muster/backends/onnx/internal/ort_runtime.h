#pragma once

#include <memory>
#include <onnxruntime_c_api.h>
#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::backends::onnx {

/// The opened library with what all sessions share. Never closed: its threads and thread-locals may
/// outlive any moment at which it could be.
struct OrtRuntime {
  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* cpu = nullptr;
  OrtAllocator* allocator = nullptr;
  std::string version;

  ~OrtRuntime();
  /// Takes over `status`: success, or an Error with our code for the runtime's and a text without
  /// paths of its source or ours.
  base::Status Check(OrtStatus* status) const;
  /// For calls that cannot fail but by a mistake of ours.
  void Discard(OrtStatus* status) const {
    if (status != nullptr) api->ReleaseStatus(status);
  }
};
using RuntimePtr = std::shared_ptr<const OrtRuntime>;

base::Result<RuntimePtr> OpenRuntime(const std::string& library);

/// Handles of the C API that release themselves.
template <class T, void (*OrtApi::*kRelease)(T*)>
struct OrtDeleter {
  const OrtApi* api;
  void operator()(T* p) const { (api->*kRelease)(p); }
};
#define MUSTER_ORT_HANDLE(name, type, release) \
  using name = std::unique_ptr<type, OrtDeleter<type, &OrtApi::release>>
MUSTER_ORT_HANDLE(SessionHandle, OrtSession, ReleaseSession);
MUSTER_ORT_HANDLE(OptionsHandle, OrtSessionOptions, ReleaseSessionOptions);
MUSTER_ORT_HANDLE(RunOptionsHandle, OrtRunOptions, ReleaseRunOptions);
MUSTER_ORT_HANDLE(TypeHandle, OrtTypeInfo, ReleaseTypeInfo);
MUSTER_ORT_HANDLE(ShapeHandle, OrtTensorTypeAndShapeInfo, ReleaseTensorTypeAndShapeInfo);
MUSTER_ORT_HANDLE(ValueHandle, OrtValue, ReleaseValue);
MUSTER_ORT_HANDLE(MetadataHandle, OrtModelMetadata, ReleaseModelMetadata);
#undef MUSTER_ORT_HANDLE

/// How an output leaves the runtime, and what becomes of it.
enum class OutputKind : std::uint8_t { kTensor, kSequenceOfMaps, kMap };

/// A session's interface: our spec, and what the spec does not say.
struct OrtInterface {
  model::ModelSpec spec;
  std::vector<OutputKind> kinds;  // per output
};

/// Reads inputs and outputs of `session`. Errors: INVALID_ARGUMENT naming what is not supported.
base::Result<OrtInterface> ReadInterface(const OrtRuntime& runtime, OrtSession* session);

base::Result<tensor::DType> ToDType(ONNXTensorElementDataType type);
ONNXTensorElementDataType FromDType(tensor::DType dtype);

/// A value over the tensor's memory (strings are copied, as the runtime keeps its own).
base::Result<ValueHandle> ToOrtValue(const OrtRuntime& runtime, const tensor::Tensor& tensor);
/// A tensor over the value's memory, which it keeps (strings are copied).
base::Result<tensor::Tensor> FromOrtValue(const RuntimePtr& runtime, ValueHandle value);
/// The probabilities of a sequence of maps ([n, k]) or of one map ([1, k]) and their keys. Errors:
/// INTERNAL "BACKEND_INVALID" where the rows' keys differ.
struct MapRows {
  tensor::Tensor probabilities;
  std::vector<std::string> keys;
};
base::Result<MapRows> FromMaps(const OrtRuntime& runtime, const OrtValue* value, OutputKind kind);

}  // namespace muster::backends::onnx
