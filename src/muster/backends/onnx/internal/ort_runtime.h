#pragma once

#include <memory>
#include <onnxruntime_c_api.h>
#include <string>
#include <string_view>
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
  /// paths of its source.
  base::Status Check(OrtStatus* status) const {
    if (status == nullptr) return {};
    return TakeError(status);
  }
  /// For calls that cannot fail but by a mistake of ours.
  void Discard(OrtStatus* status) const {
    if (status != nullptr) api->ReleaseStatus(status);
  }

 private:
  base::Error TakeError(OrtStatus* status) const;
};
using RuntimePtr = std::shared_ptr<const OrtRuntime>;

/// Opens `library` and starts its environment. Errors as OnnxLoader::Open's.
base::Result<RuntimePtr> OpenRuntime(const std::string& library);
/// The version of `library`, which is not started. Errors as OnnxLoader::Open's.
base::Result<std::string> LibraryVersion(const std::string& library);

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

/// What a failed call of the runtime means to us, from its code and text: RESOURCE_EXHAUSTED where
/// memory ran out, UNAVAILABLE where the device did, else INVALID_ARGUMENT, since a model or its
/// data are to blame for all the rest.
base::Error ErrorOf(OrtErrorCode code, std::string_view text);
/// `text` as a client may read it: without places in the runtime's source, and without paths.
std::string CleanText(std::string_view text);

/// How an output leaves the runtime, and what becomes of it.
enum class OutputKind : std::uint8_t { kTensor, kSequenceOfMaps, kMap };

/// A session's interface: our spec, and what the spec does not say.
struct OrtInterface {
  model::ModelSpec spec;
  std::vector<OutputKind> kinds;  // per output
};

/// Reads inputs, outputs and descriptions of `session`. Errors: INVALID_ARGUMENT naming what is not
/// supported.
base::Result<OrtInterface> ReadInterface(const OrtRuntime& runtime, OrtSession* session);

base::Result<tensor::DType> ToDType(ONNXTensorElementDataType type);
ONNXTensorElementDataType FromDType(tensor::DType dtype);

/// A value over the tensor's memory (strings are copied, as the runtime keeps its own).
base::Result<ValueHandle> ToOrtValue(const OrtRuntime& runtime, const tensor::Tensor& tensor);
/// A tensor over the value's memory, which it keeps (strings are copied). An output that is one of
/// the run's `inputs`, as graphs may have it, becomes a view of that input. `shape` is the output's
/// in the run before, and becomes its shape now: most often the same, and then not made again.
base::Result<tensor::Tensor> FromOrtValue(const RuntimePtr& runtime, ValueHandle value,
                                          std::span<const tensor::Tensor> inputs,
                                          tensor::Shape& shape);
/// The probabilities of a sequence of maps ([n, k]) or of one map ([1, k]) and their keys. Errors:
/// INTERNAL "BACKEND_INVALID" where the rows' keys differ.
struct MapRows {
  tensor::Tensor probabilities;
  std::vector<std::string> keys;
};
base::Result<MapRows> FromMaps(const OrtRuntime& runtime, const OrtValue* value, OutputKind kind);

}  // namespace muster::backends::onnx
