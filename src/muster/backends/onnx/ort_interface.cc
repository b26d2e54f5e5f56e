#include <string_view>

#include "muster/backends/onnx/internal/ort_runtime.h"

namespace muster::backends::onnx {
namespace {

using base::InvalidArgument;
using base::Status;
using model::Dim;
using model::TensorSpec;
using tensor::DType;

struct TypePair {
  ONNXTensorElementDataType onnx;
  DType ours;
};
constexpr TypePair kTypes[] = {
    // those of most models first, as every run looks here
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, DType::kFp32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, DType::kInt64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, DType::kBool},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, DType::kUint8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, DType::kUint16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, DType::kUint32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, DType::kUint64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, DType::kInt8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, DType::kInt16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, DType::kInt32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, DType::kFp16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, DType::kBf16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, DType::kFp64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, DType::kBytes},
};

std::string_view KindName(ONNXType kind) {
  switch (kind) {
    case ONNX_TYPE_TENSOR:
      return "a tensor";
    case ONNX_TYPE_SEQUENCE:
      return "a sequence";
    case ONNX_TYPE_MAP:
      return "a map";
    case ONNX_TYPE_SPARSETENSOR:
      return "a sparse tensor";
    case ONNX_TYPE_OPTIONAL:
      return "an optional value";
    default:
      return "of an unknown type";
  }
}

/// The runtime's names of the element types that the protocol lacks (onnx.proto, TensorProto).
std::string ElementName(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64:
      return "COMPLEX64";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128:
      return "COMPLEX128";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN:
      return "FLOAT8E4M3FN";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FNUZ:
      return "FLOAT8E4M3FNUZ";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2:
      return "FLOAT8E5M2";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2FNUZ:
      return "FLOAT8E5M2FNUZ";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4:
      return "UINT4";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4:
      return "INT4";
    default:
      return "number " + std::to_string(static_cast<int>(type)) + " of ONNX";
  }
}

/// Reads a session; a class only to share runtime and session.
class Reader {
 public:
  Reader(const OrtRuntime& runtime, OrtSession* session)
      : runtime_(runtime), api_(*runtime.api), session_(session) {}

  base::Result<OrtInterface> Read() {
    OrtInterface face;
    std::size_t inputs = 0;
    std::size_t outputs = 0;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.SessionGetInputCount(session_, &inputs)));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.SessionGetOutputCount(session_, &outputs)));
    for (std::size_t i = 0; i < inputs; ++i) {
      MUSTER_ASSIGN_OR_RETURN(TensorSpec spec, Input(i));
      face.spec.inputs.push_back(std::move(spec));
    }
    model::DeriveBatchAxis(face.spec);
    for (std::size_t i = 0; i < outputs; ++i) {
      MUSTER_RETURN_IF_ERROR(Output(i, face));
    }
    MUSTER_RETURN_IF_ERROR(Metadata(face.spec));
    face.spec.format = "onnx";
    return face;
  }

 private:
  base::Result<TensorSpec> Input(std::size_t i) {
    TensorSpec spec;
    OrtTypeInfo* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(
        Name(api_.SessionGetInputName(session_, i, runtime_.allocator, &name_), spec.name));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.SessionGetInputTypeInfo(session_, i, &raw)));
    const TypeHandle type(raw, {&api_});
    MUSTER_ASSIGN_OR_RETURN(const ONNXType kind, Kind(type.get()));
    if (kind != ONNX_TYPE_TENSOR) {
      return InvalidArgument("input `" + spec.name + "` is " + std::string(KindName(kind)) +
                             "; only tensors are supported");
    }
    MUSTER_RETURN_IF_ERROR(Tensor(type.get(), spec).WithContext("input `" + spec.name + "`"));
    return spec;
  }

  Status Output(std::size_t i, OrtInterface& face) {
    TensorSpec spec;
    OrtTypeInfo* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(
        Name(api_.SessionGetOutputName(session_, i, runtime_.allocator, &name_), spec.name));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.SessionGetOutputTypeInfo(session_, i, &raw)));
    const TypeHandle type(raw, {&api_});
    MUSTER_ASSIGN_OR_RETURN(const ONNXType kind, Kind(type.get()));
    const std::string where = "output `" + spec.name + "`";
    if (kind == ONNX_TYPE_TENSOR) {
      MUSTER_RETURN_IF_ERROR(Tensor(type.get(), spec).WithContext(where));
      face.kinds.push_back(OutputKind::kTensor);
    } else if (kind == ONNX_TYPE_SEQUENCE || kind == ONNX_TYPE_MAP) {
      MUSTER_RETURN_IF_ERROR(Maps(type.get(), kind).WithContext(where));
      // What a zipmap holds: one probability per class and row.
      const Dim rows = face.spec.inputs.empty() || face.spec.inputs[0].dims.empty()
                           ? Dim{}
                           : face.spec.inputs[0].dims[0];
      spec.dims = {kind == ONNX_TYPE_MAP ? Dim{1, ""} : rows, Dim{}};
      face.kinds.push_back(kind == ONNX_TYPE_MAP ? OutputKind::kMap : OutputKind::kSequenceOfMaps);
    } else {
      return InvalidArgument(where + " is " + std::string(KindName(kind)) +
                             "; only tensors and maps to FP32 are supported");
    }
    face.spec.outputs.push_back(std::move(spec));
    return {};
  }

  Status Name(OrtStatus* status, std::string& name) {
    MUSTER_RETURN_IF_ERROR(runtime_.Check(status));
    name = name_;
    return runtime_.Check(api_.AllocatorFree(runtime_.allocator, name_));
  }

  base::Result<ONNXType> Kind(const OrtTypeInfo* type) {
    ONNXType kind = ONNX_TYPE_UNKNOWN;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetOnnxTypeFromTypeInfo(type, &kind)));
    return kind;
  }

  Status Tensor(const OrtTypeInfo* type, TensorSpec& spec) {
    const OrtTensorTypeAndShapeInfo* info = nullptr;  // owned by `type`
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    std::size_t rank = 0;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.CastTypeInfoToTensorInfo(type, &info)));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetTensorElementType(info, &element)));
    MUSTER_ASSIGN_OR_RETURN(spec.dtype, ToDType(element));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetDimensionsCount(info, &rank)));
    std::vector<std::int64_t> sizes(rank);
    std::vector<const char*> symbols(rank, "");
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetDimensions(info, sizes.data(), rank)));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetSymbolicDimensions(info, symbols.data(), rank)));
    for (std::size_t i = 0; i < rank; ++i) {
      spec.dims.push_back({sizes[i] < 0 ? Dim::kDynamic : sizes[i], symbols[i]});
    }
    return {};
  }

  Status Metadata(model::ModelSpec& spec) {
    OrtModelMetadata* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.SessionGetModelMetadata(session_, &raw)));
    const MetadataHandle metadata(raw, {&api_});
    MUSTER_RETURN_IF_ERROR(
        Name(api_.ModelMetadataGetProducerName(raw, runtime_.allocator, &name_), spec.producer));
    return Name(api_.ModelMetadataGetDescription(raw, runtime_.allocator, &name_),
                spec.description);
  }

  /// Only maps to FP32, which is what a classifier's zipmap makes.
  Status Maps(const OrtTypeInfo* type, ONNXType kind) {
    TypeHandle element(nullptr, {&api_});
    if (kind == ONNX_TYPE_SEQUENCE) {
      const OrtSequenceTypeInfo* sequence = nullptr;
      OrtTypeInfo* raw = nullptr;
      MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.CastTypeInfoToSequenceTypeInfo(type, &sequence)));
      MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetSequenceElementType(sequence, &raw)));
      element.reset(raw);
      type = element.get();
    }
    const OrtMapTypeInfo* map = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.CastTypeInfoToMapTypeInfo(type, &map)));
    if (map == nullptr)
      return InvalidArgument("a sequence of anything but maps to FP32 is not supported");
    ONNXTensorElementDataType key = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    OrtTypeInfo* raw = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetMapKeyType(map, &key)));
    MUSTER_RETURN_IF_ERROR(runtime_.Check(api_.GetMapValueType(map, &raw)));
    const TypeHandle value(raw, {&api_});
    TensorSpec values;
    MUSTER_RETURN_IF_ERROR(Tensor(value.get(), values));
    const bool known_key =
        key == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 || key == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING;
    if (known_key && values.dtype == DType::kFp32) return {};
    return InvalidArgument(
        "expected a map from INT64 or strings to FP32; others are not supported");
  }

  const OrtRuntime& runtime_;
  const OrtApi& api_;
  OrtSession* session_;
  char* name_ = nullptr;
};

}  // namespace

base::Result<DType> ToDType(ONNXTensorElementDataType type) {
  for (const TypePair& pair : kTypes) {
    if (pair.onnx == type) return pair.ours;
  }
  return InvalidArgument("element type " + ElementName(type) + " is not supported");
}

ONNXTensorElementDataType FromDType(DType dtype) {
  for (const TypePair& pair : kTypes) {
    if (pair.ours == dtype) return pair.onnx;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

base::Result<OrtInterface> ReadInterface(const OrtRuntime& runtime, OrtSession* session) {
  return Reader(runtime, session).Read();
}

}  // namespace muster::backends::onnx
