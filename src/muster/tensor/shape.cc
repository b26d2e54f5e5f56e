#include "muster/tensor/shape.h"

#include <limits>

namespace muster::tensor {
namespace {

// So that sizes in bytes fit too, whatever the element type.
constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 8;

base::Error Refused(std::span<const std::int64_t> dims, std::string_view why,
                    std::string_view reason = {}) {
  // Not all of them: a client chose how many there are.
  std::string text = "shape [";
  for (std::size_t i = 0; i < dims.size() && i <= Shape::kMaxRank; ++i) {
    if (i > 0) text += ", ";
    text += i < Shape::kMaxRank ? std::to_string(dims[i]) : "…";
  }
  return base::InvalidArgument(text.append("] ").append(why), reason);
}

}  // namespace

base::Result<Shape> Shape::Make(std::span<const std::int64_t> dims) {
  if (dims.size() > kMaxRank) {
    return Refused(dims, "has " + std::to_string(dims.size()) + " axes; at most " +
                             std::to_string(kMaxRank) + " are supported");
  }
  Shape shape;
  shape.rank_ = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), shape.dims_.begin());
  std::int64_t product = 1;  // without the zeros: a row of an empty tensor has a size too
  for (const std::int64_t extent : dims) {
    if (extent < 0) return Refused(dims, "has a negative extent");
    shape.elements_ = std::min<std::int64_t>(shape.elements_, extent);
    if (extent == 0) continue;
    if (product > kMaxElements / extent) return Refused(dims, "is too large", "OVERFLOW");
    product *= extent;
  }
  if (shape.elements_ != 0) shape.elements_ = product;
  return shape;
}

Shape::Shape(std::initializer_list<std::int64_t> dims)
    : Shape(Make({dims.begin(), dims.size()}).value()) {}

std::int64_t Shape::elements_per_row() const {
  std::int64_t elements = 1;
  for (int axis = 1; axis < rank_; ++axis) elements *= (*this)[axis];
  return elements;
}

Shape Shape::WithRows(std::int64_t rows) const {
  MUSTER_CHECK(rank_ >= 1, "a scalar has no rows");
  auto dims = dims_;
  dims[0] = rows;
  return Make({dims.data(), static_cast<std::size_t>(rank_)}).value();
}

Shape Shape::RowShape() const {
  MUSTER_CHECK(rank_ >= 1, "a scalar has no rows");
  return Make(dims().subspan(1)).value();
}

Shape Shape::Prepend(std::int64_t rows) const {
  MUSTER_CHECK(rank_ < kMaxRank, "no axis can be put before " + ToString());
  std::array<std::int64_t, kMaxRank> dims{rows};
  std::copy_n(dims_.begin(), rank_, dims.begin() + 1);
  return Make({dims.data(), static_cast<std::size_t>(rank_) + 1}).value();
}

std::string Shape::ToString() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string((*this)[axis]);
  }
  return text += "]";
}

}  // namespace muster::tensor
