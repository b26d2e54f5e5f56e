#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "muster/base/result.h"

namespace muster::tensor {

/// The extents of a tensor, outermost axis first, kept in place (no allocation). Value type.
/// Every extent is ≥ 0, and the product of all but the zeros fits an int64 even in bytes, at 8 per
/// element: Make refuses the rest, so that code which holds a Shape need not check again.
class Shape {
 public:
  static constexpr int kMaxRank = 16;

  Shape() = default;
  /// For literals in our own code; aborts where Make would refuse.
  Shape(std::initializer_list<std::int64_t> dims);
  /// Errors: INVALID_ARGUMENT for rank > kMaxRank, a negative extent, or a product that is too
  /// large (reason "OVERFLOW").
  static base::Result<Shape> Make(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  std::span<const std::int64_t> dims() const {
    return {dims_.data(), static_cast<std::size_t>(rank_)};
  }
  /// The product of the extents; 1 for rank 0.
  std::int64_t elements() const { return elements_; }
  /// Elements of one slice along axis 0; 1 for rank ≤ 1. Defined for extent 0 too.
  std::int64_t elements_per_row() const;
  /// The shape with axis 0 set to `rows`; rank must be ≥ 1. This and Prepend abort where Make would
  /// refuse.
  Shape WithRows(std::int64_t rows) const;
  /// The shape without axis 0; rank must be ≥ 1.
  Shape RowShape() const;
  /// The shape with `rows` put before axis 0.
  Shape Prepend(std::int64_t rows) const;
  /// "[3, 224, 224]".
  std::string ToString() const;

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ &&
           std::equal(a.dims_.begin(), a.dims_.begin() + a.rank_, b.dims_.begin());
  }

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
  std::int64_t elements_ = 1;
};

}  // namespace muster::tensor
