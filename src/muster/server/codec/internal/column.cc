#include "muster/server/codec/internal/column.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

namespace muster::server::codec::internal {
namespace {

constexpr std::size_t kSmallestGrowth = 16;

}  // namespace

std::size_t MostElements(tensor::DType dtype, std::size_t body_bytes) {
  if (dtype == tensor::DType::kBytes) return std::min(body_bytes / 3 + 1, kMostStrings);
  return body_bytes / 2 + 1;
}

Column::Column(const model::ModelSpec& model, const model::TensorSpec& input,
               std::size_t body_bytes)
    : input_(&input),
      dims_(model::RowDims(model, input)),
      element_bytes_(tensor::DTypeSize(input.dtype)),
      most_(MostElements(input.dtype, body_bytes)) {
  for (const model::Dim& dim : dims_) {
    if (dim.dynamic() || row_elements_ < 0) {
      row_elements_ = -1;
    } else if (__builtin_mul_overflow(row_elements_, dim.size, &row_elements_)) {
      row_elements_ = std::numeric_limits<std::int64_t>::max();  // more than any body has
    }
  }
}

void Column::Grow(std::size_t at_least, std::size_t used) {
  const std::size_t capacity =
      std::max(at_least, std::min(std::max(kSmallestGrowth, capacity_ * 2), most_));
  if (element_bytes_ == 0) {
    strings_.resize(capacity);
  } else {
    tensor::BufferRef larger = tensor::BufferRef::Allocate(capacity * element_bytes_);
    if (used > 0) std::memcpy(larger.data(), buffer_.data(), used * element_bytes_);
    buffer_ = std::move(larger);
  }
  capacity_ = capacity;
}

void Column::TakePending(Column& other) {
  const std::size_t elements = other.pending_;
  if (element_bytes_ == 0) {
    std::string* from = other.Room<std::string>(0);
    std::move(from, from + elements, Room<std::string>(elements));
  } else {
    if (committed_ + elements > capacity_) Grow(committed_ + elements, committed_);
    std::memcpy(buffer_.data() + committed_ * element_bytes_,
                other.buffer_.data() + other.committed_ * element_bytes_,
                elements * element_bytes_);
  }
  SetPending(other.pending_extents_, elements);
}

tensor::Tensor Column::Finish(std::int64_t rows) {
  std::array<std::int64_t, tensor::Shape::kMaxRank> dims{rows};
  std::copy_n(extents_.dims.begin(), extents_.rank, dims.begin() + 1);
  const auto rank = static_cast<std::size_t>(extents_.rank) + 1;
  // Each extent was counted in the body, so that neither can fail.
  auto shape = tensor::Shape::Make({dims.data(), rank});
  if (element_bytes_ == 0) {
    strings_.resize(committed_);
    buffer_ = tensor::BufferRef::Strings(std::move(strings_));
  }
  committed_ = capacity_ = 0;
  return tensor::Tensor::View(input_->dtype, *shape, std::exchange(buffer_, {})).value();
}

}  // namespace muster::server::codec::internal
