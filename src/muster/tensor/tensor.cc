#include "muster/tensor/tensor.h"

#include <algorithm>
#include <cstring>

namespace muster::tensor {
namespace {

std::size_t Size(std::int64_t n) { return static_cast<std::size_t>(n); }

void CheckCopyable(const Tensor& tensor) {
  MUSTER_CHECK(tensor.shape().rank() >= 1, "a scalar has no rows");
  MUSTER_CHECK(tensor.buffer().kind() != MemoryKind::kDevice,
               "rows of " + tensor.shape().ToString() + " are in a device's memory");
}

// Both have rows of one kind.
void CopyRows(const Tensor& from, std::int64_t from_row, const Tensor& to, std::int64_t to_row,
              std::int64_t rows) {
  const std::size_t per_row = Size(to.shape().elements_per_row());
  if (to.dtype() == DType::kBytes) {
    std::copy_n(from.strings() + Size(from_row) * per_row, Size(rows) * per_row,
                to.strings() + Size(to_row) * per_row);
    return;
  }
  const std::size_t row_bytes = per_row * DTypeSize(to.dtype());
  if (rows == 0 || row_bytes == 0) return;  // memcpy wants pointers even where it copies nothing
  std::memcpy(to.bytes() + Size(to_row) * row_bytes, from.bytes() + Size(from_row) * row_bytes,
              Size(rows) * row_bytes);
}

}  // namespace

Tensor Tensor::Allocate(DType dtype, const Shape& shape) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.buffer_ = dtype == DType::kBytes
                       ? BufferRef::Strings(std::vector<std::string>(Size(shape.elements())))
                       : BufferRef::Allocate(Size(shape.elements()) * DTypeSize(dtype));
  return tensor;
}

base::Result<Tensor> Tensor::View(DType dtype, const Shape& shape, BufferRef buffer,
                                  std::size_t offset) {
  const bool wants_strings = dtype == DType::kBytes;
  if (wants_strings != (buffer.kind() == MemoryKind::kStrings)) {
    return base::InvalidArgument(std::string("a ") + (wants_strings ? "string" : "numeric") +
                                 " tensor cannot view memory that holds " +
                                 (wants_strings ? "bytes" : "strings"));
  }
  const std::size_t unit = wants_strings ? 1 : DTypeSize(dtype);
  const std::size_t needed = Size(shape.elements()) * unit;
  if (offset > buffer.size() || needed > buffer.size() - offset) {
    return base::InvalidArgument(
        "shape " + shape.ToString() + " of " + std::string(DTypeName(dtype)) + " needs " +
        std::to_string(needed) + (wants_strings ? " strings" : " bytes") + " from offset " +
        std::to_string(offset) + " of a buffer of " + std::to_string(buffer.size()));
  }
  // An element is aligned to its own size; where there is none, nothing is read.
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data()) + offset;
  if (!wants_strings && needed > 0 && address % unit != 0) {
    return base::InvalidArgument("elements of " + std::string(DTypeName(dtype)) +
                                 " must be aligned to " + std::to_string(unit) + " bytes");
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.buffer_ = std::move(buffer);
  tensor.offset_ = offset;
  return tensor;
}

Tensor Tensor::Rows(std::int64_t begin, std::int64_t count) const {
  MUSTER_CHECK(shape_.rank() >= 1, "a scalar has no rows");
  MUSTER_CHECK(
      begin >= 0 && count >= 0 && begin <= rows() && count <= rows() - begin,
      std::to_string(count) + " rows from " + std::to_string(begin) + " of " + shape_.ToString());
  const std::size_t unit = dtype_ == DType::kBytes ? 1 : DTypeSize(dtype_);
  Tensor view = *this;
  view.shape_ = shape_.WithRows(count);
  view.offset_ += Size(begin) * Size(shape_.elements_per_row()) * unit;
  return view;
}

Tensor Tensor::Reshaped(const Shape& shape) const {
  MUSTER_CHECK(shape.elements() == shape_.elements(),
               shape_.ToString() + " cannot become " + shape.ToString());
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

void GatherRows(std::span<const Tensor> parts, const Tensor& out, std::int64_t out_row) {
  CheckCopyable(out);
  MUSTER_CHECK(out_row >= 0 && out_row <= out.rows(),
               "row " + std::to_string(out_row) + " of " + out.shape().ToString());
  const auto row_dims = out.shape().dims().subspan(1);
  for (const Tensor& part : parts) {
    CheckCopyable(part);
    MUSTER_CHECK(part.dtype() == out.dtype(), "rows of " + std::string(DTypeName(part.dtype())) +
                                                  " into " + std::string(DTypeName(out.dtype())));
    MUSTER_CHECK(std::ranges::equal(part.shape().dims().subspan(1), row_dims) &&
                     part.rows() <= out.rows() - out_row,
                 part.shape().ToString() + " into " + out.shape().ToString() + " from row " +
                     std::to_string(out_row));
    CopyRows(part, 0, out, out_row, part.rows());
    out_row += part.rows();
  }
}

void PadRows(const Tensor& out, std::int64_t begin, std::int64_t source_row) {
  CheckCopyable(out);
  MUSTER_CHECK(begin >= 0 && begin <= out.rows(),
               "row " + std::to_string(begin) + " of " + out.shape().ToString());
  if (begin == out.rows()) return;
  MUSTER_CHECK(source_row >= 0 && source_row < out.rows(),
               "row " + std::to_string(source_row) + " of " + out.shape().ToString());
  for (std::int64_t row = begin; row < out.rows(); ++row) {
    if (row != source_row) CopyRows(out, source_row, out, row, 1);
  }
}

}  // namespace muster::tensor
