#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

#include "muster/backends/onnx/internal/ort_runtime.h"

namespace muster::backends::onnx {
namespace {

using base::Status;
using tensor::BufferRef;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

base::Result<ValueHandle> StringsToOrtValue(const OrtRuntime& runtime, const Tensor& tensor) {
  const OrtApi& api = *runtime.api;
  const auto dims = tensor.shape().dims();
  OrtValue* raw = nullptr;
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.CreateTensorAsOrtValue(
      runtime.allocator, dims.data(), dims.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &raw)));
  ValueHandle value(raw, {&api});
  const std::span<const std::string> strings = tensor.data<const std::string>();
  for (std::size_t i = 0; i < strings.size(); ++i) {
    // By length: a string may hold a NUL.
    char* bytes = nullptr;
    MUSTER_RETURN_IF_ERROR(runtime.Check(
        api.GetResizedStringTensorElementBuffer(value.get(), i, strings[i].size(), &bytes)));
    std::memcpy(bytes, strings[i].data(), strings[i].size());
  }
  return value;
}

/// The type of a tensor, and its shape in `shape`, which is left alone where it is right already.
base::Result<DType> TypeOf(const OrtRuntime& runtime, const OrtValue* value, Shape& shape) {
  const OrtApi& api = *runtime.api;
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetTensorTypeAndShape(value, &raw)));
  const ShapeHandle info(raw, {&api});
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::size_t rank = 0;
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetTensorElementType(raw, &element)));
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetDimensionsCount(raw, &rank)));
  if (rank > Shape::kMaxRank) {
    return base::Internal("an output of too high a rank", "BACKEND_INVALID");
  }
  std::array<std::int64_t, Shape::kMaxRank> memory;
  const std::span dims(memory.data(), rank);
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetDimensions(raw, dims.data(), rank)));
  if (!std::ranges::equal(dims, shape.dims())) {
    MUSTER_ASSIGN_OR_RETURN(shape, Shape::Make(dims));
  }
  return ToDType(element);
}

base::Result<std::vector<std::string>> Strings(const OrtRuntime& runtime, const OrtValue* value,
                                               std::size_t count) {
  const OrtApi& api = *runtime.api;
  if (count == 0) return std::vector<std::string>();
  std::size_t bytes = 0;
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetStringTensorDataLength(value, &bytes)));
  std::string content(bytes, '\0');
  std::vector<std::size_t> offsets(count);
  MUSTER_RETURN_IF_ERROR(runtime.Check(
      api.GetStringTensorContent(value, content.data(), bytes, offsets.data(), count)));
  std::vector<std::string> strings;
  strings.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = i + 1 < count ? offsets[i + 1] : bytes;
    strings.emplace_back(content, offsets[i], end - offsets[i]);
  }
  return strings;
}

/// Whether `data` is in the tensor's memory.
bool Holds(const Tensor& tensor, const void* data) {
  if (tensor.dtype() == DType::kBytes) return false;
  const std::less_equal<const void*> not_after;
  return not_after(tensor.bytes(), data) && !not_after(tensor.bytes() + tensor.byte_size(), data);
}

struct MapRow {
  std::vector<std::string> keys;
  std::vector<float> values;
};

base::Result<MapRow> ReadMap(const OrtRuntime& runtime, const OrtValue* map) {
  const OrtApi& api = *runtime.api;
  OrtValue* raw_keys = nullptr;
  OrtValue* raw_values = nullptr;
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetValue(map, 0, runtime.allocator, &raw_keys)));
  const ValueHandle keys(raw_keys, {&api});
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetValue(map, 1, runtime.allocator, &raw_values)));
  const ValueHandle values(raw_values, {&api});
  Shape shape;
  MUSTER_ASSIGN_OR_RETURN(const DType type, TypeOf(runtime, keys.get(), shape));
  const auto k = static_cast<std::size_t>(shape.elements());
  MapRow row;
  void* data = nullptr;
  if (type == DType::kBytes) {
    MUSTER_ASSIGN_OR_RETURN(row.keys, Strings(runtime, keys.get(), k));
  } else {
    MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetTensorMutableData(raw_keys, &data)));
    for (std::size_t i = 0; i < k; ++i) {
      row.keys.push_back(std::to_string(static_cast<const std::int64_t*>(data)[i]));
    }
  }
  MUSTER_RETURN_IF_ERROR(runtime.Check(api.GetTensorMutableData(raw_values, &data)));
  row.values.assign(static_cast<const float*>(data), static_cast<const float*>(data) + k);
  return row;
}

}  // namespace

base::Result<ValueHandle> ToOrtValue(const OrtRuntime& runtime, const Tensor& tensor) {
  if (tensor.dtype() == DType::kBytes) return StringsToOrtValue(runtime, tensor);
  const auto dims = tensor.shape().dims();
  OrtValue* raw = nullptr;
  // The runtime takes a mutable pointer but does not write to inputs.
  MUSTER_RETURN_IF_ERROR(runtime.Check(runtime.api->CreateTensorWithDataAsOrtValue(
      runtime.cpu, tensor.bytes(), tensor.byte_size(), dims.data(), dims.size(),
      FromDType(tensor.dtype()), &raw)));
  return ValueHandle(raw, {runtime.api});
}

base::Result<Tensor> FromOrtValue(const RuntimePtr& runtime, ValueHandle value,
                                  std::span<const Tensor> inputs, Shape& shape) {
  MUSTER_ASSIGN_OR_RETURN(const DType type, TypeOf(*runtime, value.get(), shape));
  if (type == DType::kBytes) {
    const auto count = static_cast<std::size_t>(shape.elements());
    MUSTER_ASSIGN_OR_RETURN(auto strings, Strings(*runtime, value.get(), count));
    return Tensor::View(type, shape, BufferRef::Strings(std::move(strings)));
  }
  const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * tensor::DTypeSize(type);
  if (bytes == 0) return Tensor::Allocate(type, shape);
  void* data = nullptr;
  MUSTER_RETURN_IF_ERROR(runtime->Check(runtime->api->GetTensorMutableData(value.get(), &data)));
  for (const Tensor& input : inputs) {
    if (!Holds(input, data)) continue;
    const auto offset = static_cast<std::byte*>(data) - input.buffer().data();
    return Tensor::View(type, shape, input.buffer(), static_cast<std::size_t>(offset));
  }
  // The runtime must outlive its values.
  return Tensor::View(type, shape, BufferRef::Wrap(data, bytes, [runtime, raw = value.release()] {
                        runtime->api->ReleaseValue(raw);
                      }));
}

base::Result<MapRows> FromMaps(const OrtRuntime& runtime, const OrtValue* value, OutputKind kind) {
  std::size_t rows = 1;
  if (kind == OutputKind::kSequenceOfMaps) {
    MUSTER_RETURN_IF_ERROR(runtime.Check(runtime.api->GetValueCount(value, &rows)));
  }
  MapRows result;
  std::vector<float> all;
  for (std::size_t i = 0; i < rows; ++i) {
    const OrtValue* map = value;
    ValueHandle element(nullptr, {runtime.api});
    if (kind == OutputKind::kSequenceOfMaps) {
      OrtValue* raw = nullptr;
      MUSTER_RETURN_IF_ERROR(runtime.Check(
          runtime.api->GetValue(value, static_cast<int>(i), runtime.allocator, &raw)));
      element.reset(raw);
      map = raw;
    }
    MUSTER_ASSIGN_OR_RETURN(MapRow row, ReadMap(runtime, map));
    if (i == 0)
      result.keys = std::move(row.keys);
    else if (row.keys != result.keys) {
      return base::Internal("the rows of a map output have different keys", "BACKEND_INVALID");
    }
    all.insert(all.end(), row.values.begin(), row.values.end());
  }
  const auto n = static_cast<std::int64_t>(rows);
  const auto k = static_cast<std::int64_t>(result.keys.size());
  result.probabilities = Tensor::Of<float>({n, k}, all);
  return result;
}

}  // namespace muster::backends::onnx
