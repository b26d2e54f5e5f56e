#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "muster/base/recycled.h"
#include "muster/base/result.h"
#include "muster/tensor/buffer.h"
#include "muster/tensor/dtype.h"
#include "muster/tensor/shape.h"

namespace muster::tensor {

/// A dense row-major array of one element type: a Shape over a slice of a BufferRef. Copying a
/// Tensor shares the memory; a view of some rows is a Tensor too and keeps the memory alive.
/// Not thread-safe beyond that: readers may share, a writer must be alone.
class Tensor {
 public:
  Tensor() = default;
  /// Uninitialised elements in memory of its own (empty strings for kBytes).
  static Tensor Allocate(DType dtype, const Shape& shape);
  /// A view of `buffer` from `offset` (bytes; strings for kBytes).
  /// Errors: INVALID_ARGUMENT where the buffer is too small, misaligned for the dtype, or of the
  /// other storage kind.
  static base::Result<Tensor> View(DType dtype, const Shape& shape, BufferRef buffer,
                                   std::size_t offset = 0);
  /// Copies `values`, whose count must be shape.elements(); for our own code and tests.
  template <class T>
  static Tensor Of(const Shape& shape, const std::vector<T>& values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const BufferRef& buffer() const { return buffer_; }
  /// Extent of axis 0; 1 for rank 0.
  std::int64_t rows() const { return shape_.rank() == 0 ? 1 : shape_[0]; }
  /// Bytes of the elements; 0 for kBytes.
  std::size_t byte_size() const {
    return static_cast<std::size_t>(shape_.elements()) * DTypeSize(dtype_);
  }
  std::byte* bytes() const { return buffer_.data() + offset_; }
  std::string* strings() const { return buffer_.strings() + offset_; }
  /// Elements as T; T must match the dtype (checked), std::string for kBytes.
  template <class T>
  std::span<T> data() const;
  /// Rows [begin, begin + count) along axis 0, sharing memory; rank must be ≥ 1.
  Tensor Rows(std::int64_t begin, std::int64_t count) const;
  /// The same elements under another shape with as many of them (checked).
  Tensor Reshaped(const Shape& shape) const;

 private:
  DType dtype_ = DType::kFp32;
  Shape shape_{0};
  BufferRef buffer_;
  std::size_t offset_ = 0;  // bytes, or strings for kBytes
};

/// What a request brings or is answered with, one for each input or output.
using TensorList = base::RecycledVector<Tensor>;

/// Copies the rows of `parts` one after another into `out` from row `out_row` on. All share dtype
/// and row shape and are in memory of the host (checked). Strings are copied as strings.
void GatherRows(std::span<const Tensor> parts, const Tensor& out, std::int64_t out_row = 0);

/// Fills rows [begin, rows) of `out` with copies of row `source_row`: padding that any model
/// accepts, because it has seen such a row.
void PadRows(const Tensor& out, std::int64_t begin, std::int64_t source_row = 0);

template <class T>
std::span<T> Tensor::data() const {
  using E = std::remove_const_t<T>;
  const auto n = static_cast<std::size_t>(shape_.elements());
  if constexpr (std::is_same_v<E, std::string>) {
    MUSTER_CHECK(dtype_ == DType::kBytes, "string access to a numeric tensor");
    return {strings(), n};
  } else {
    MUSTER_CHECK(
        DTypeOf<E>::value == dtype_ || (std::is_same_v<E, std::uint16_t> &&
                                        (dtype_ == DType::kFp16 || dtype_ == DType::kBf16)),
        "access to a tensor as another dtype");
    return {reinterpret_cast<T*>(bytes()), n};
  }
}

template <class T>
Tensor Tensor::Of(const Shape& shape, const std::vector<T>& values) {
  MUSTER_CHECK(static_cast<std::int64_t>(values.size()) == shape.elements(),
               "value count differs from shape " + shape.ToString());
  Tensor t = Allocate(DTypeOf<T>::value, shape);
  std::span<T> out = t.data<T>();
  for (std::size_t i = 0; i < values.size(); ++i) out[i] = values[i];
  return t;
}

}  // namespace muster::tensor
