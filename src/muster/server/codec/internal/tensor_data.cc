#include "muster/server/codec/internal/tensor_data.h"

#include <cstdint>
#include <string>
#include <utility>

#include "muster/server/codec/internal/column.h"
#include "muster/server/codec/internal/element.h"
#include "muster/server/codec/internal/element_type.h"
#include "muster/server/codec/internal/row_value.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::Result;
using base::Status;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

/// "FP32 [2, 4]".
std::string TensorText(DType dtype, const Shape& shape) {
  return std::string(tensor::DTypeName(dtype)) + ' ' + shape.ToString();
}

std::string ElementsText(std::int64_t count, DType dtype, const Shape& shape) {
  return std::to_string(count) + (count == 1 ? " element" : " elements") + " for " +
         TensorText(dtype, shape);
}

/// Before memory is spent on what a shape promises.
Status CheckCanCome(const JsonReader& reader, DType dtype, const Shape& shape, const Path& path) {
  if (dtype == DType::kFp16 || dtype == DType::kBf16) {
    return base::InvalidArgument(path.ToString() + ": JSON cannot carry " +
                                     std::string(tensor::DTypeName(dtype)) + "; send it in binary",
                                 "TYPE");
  }
  const auto elements = static_cast<std::size_t>(shape.elements());
  if (elements <= MostElements(dtype, reader.body_bytes())) return {};
  if (dtype == DType::kBytes && elements <= reader.body_bytes() / 3 + 1) {
    return base::InvalidArgument(
        path.ToString() + ": more than " + std::to_string(kMostStrings) + " strings",
        "TOO_MANY_VALUES");
  }
  return Expected(ElementsText(shape.elements(), dtype, shape),
                  "a body of " + std::to_string(reader.body_bytes()) + " bytes", path, "SHAPE");
}

template <class T>
class DataReader {
 public:
  explicit DataReader(const Tensor& out) : out_(out), next_(out.data<T>().data()) {}

  Status Read(od::value data, const Path& path) {
    const Kind kind = KindOf(data);
    if (kind != Kind::kList && out_.shape().rank() == 0) return Element(data, path);
    if (kind != Kind::kList) return Expected("a list for " + Text(), data, path, "TYPE");
    od::array list;
    if (const auto error = data.get_array().get(list)) return JsonError(error);
    const bool nested = out_.shape().rank() > 1 && BeginsWithList(data);
    return nested ? Nested(list, 0, path) : Flat(list, out_.shape().elements(), path);
  }

 private:
  std::string Text() const { return TensorText(out_.dtype(), out_.shape()); }

  Status Element(od::value element, const Path& path) {
    if (ReadElement(element, *next_)) return ElementError(element, out_.dtype(), path);
    ++next_;
    return {};
  }

  Status Nested(od::array list, int axis, const Path& path) {
    const std::int64_t expected = out_.shape()[axis];
    if (axis + 1 == out_.shape().rank()) return Flat(list, expected, path);
    std::int64_t count = 0;
    for (auto item : list) {
      od::value child;
      if (const auto error = std::move(item).get(child)) return JsonError(error);
      if (count == expected) return CountError(list, expected, path);
      const Path child_path(path, count++);
      od::array children;
      if (child.get_array().get(children)) {
        return Expected("a list for " + Text(), child, child_path, "SHAPE");
      }
      MUSTER_RETURN_IF_ERROR(Nested(children, axis + 1, child_path));
    }
    return count == expected ? Status() : Status(CountError(list, expected, path));
  }

  /// The hot loop: exactly `expected` elements.
  Status Flat(od::array list, std::int64_t expected, const Path& path) {
    T* const begin = next_;
    T* const end = begin + expected;
    T* at = begin;
    for (auto item : list) {
      od::value element;
      if (const auto error = std::move(item).get(element)) return JsonError(error);
      if (at == end) return CountError(list, expected, path);
      if (ReadElement(element, *at)) {
        return ElementError(element, out_.dtype(), Path(path, at - begin));
      }
      ++at;
    }
    if (at != end) return CountError(list, expected, path);
    next_ = at;
    return {};
  }

  Error CountError(od::array list, std::int64_t expected, const Path& path) const {
    std::size_t count = 0;
    if (const auto error = list.reset().error()) return JsonError(error);
    if (const auto error = list.count_elements().get(count)) return JsonError(error);
    return Expected(ElementsText(expected, out_.dtype(), out_.shape()), std::to_string(count), path,
                    "SHAPE");
  }

  const Tensor& out_;
  T* next_;
};

}  // namespace

Result<Tensor> ReadTensorData(const JsonReader& reader, od::value data, DType dtype,
                              const Shape& shape, const Path& path) {
  MUSTER_RETURN_IF_ERROR(CheckCanCome(reader, dtype, shape, path));
  Tensor tensor = Tensor::Allocate(dtype, shape);
  MUSTER_RETURN_IF_ERROR(WithElementType(dtype, [&](auto tag) {
    return DataReader<typename decltype(tag)::type>(tensor).Read(data, path);
  }));
  return tensor;
}

}  // namespace muster::server::codec::internal
