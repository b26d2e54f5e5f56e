#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// Strings of one input of one body: what strings of three bytes in the body may become at 32 bytes
/// each.
inline constexpr std::size_t kMostStrings = 4 * 1024 * 1024;

/// Elements that JSON of `body_bytes` can hold: a digit and a comma each, or quotes and a comma;
/// at most kMostStrings strings.
std::size_t MostElements(tensor::DType dtype, std::size_t body_bytes);

/// The extents of one row of one input.
struct RowExtents {
  std::array<std::int64_t, tensor::Shape::kMaxRank> dims{};
  int rank = 0;
  std::span<const std::int64_t> span() const {
    return {dims.data(), static_cast<std::size_t>(rank)};
  }
  friend bool operator==(const RowExtents&, const RowExtents&) = default;
};

/// One input of a call while its rows are decoded: what is written behind the committed rows and
/// described by SetPending becomes one more row with Commit; the next row overwrites it otherwise.
class Column {
 public:
  /// For rows out of a body of `body_bytes`, which bounds what can come.
  Column(const model::ModelSpec& model, const model::TensorSpec& input, std::size_t body_bytes);

  const model::TensorSpec& input() const { return *input_; }
  std::span<const model::Dim> dims() const { return dims_; }
  /// Elements of one row, or -1 where that depends on the row.
  std::int64_t row_elements() const { return row_elements_; }

  /// Whether `count` more elements cannot come out of the body, so that no memory is worth
  /// spending, or are more strings than one body may have.
  bool Exceeds(std::size_t count) const { return committed_ + count > most_; }
  /// Where `count` elements of the next row can be written, keeping the first `keep` of those that
  /// have been; T is the input's element type.
  template <class T>
  T* Room(std::size_t count, std::size_t keep = 0) {
    if (committed_ + count > capacity_) Grow(committed_ + count, committed_ + keep);
    if constexpr (std::is_same_v<T, std::string>) {
      return strings_.data() + committed_;
    } else {
      return reinterpret_cast<T*>(buffer_.data()) + committed_;
    }
  }
  /// Elements for which the next row has room without growing.
  std::size_t Left() const { return capacity_ - committed_; }
  /// What has been written is a whole row.
  void SetPending(const RowExtents& extents, std::size_t elements) {
    pending_extents_ = extents;
    pending_ = elements;
  }
  const RowExtents& pending_extents() const { return pending_extents_; }
  /// Whether the pending row is like those committed.
  bool PendingFits() const { return pending_extents_ == extents_; }
  void Commit() {
    extents_ = pending_extents_;
    committed_ += pending_;
  }
  /// Takes over what is pending in `other`.
  void TakePending(Column& other);
  /// Everything committed as [rows, extents…]; the column is empty afterwards.
  tensor::Tensor Finish(std::int64_t rows);

 private:
  void Grow(std::size_t at_least, std::size_t used);

  const model::TensorSpec* input_;
  std::span<const model::Dim> dims_;
  std::int64_t row_elements_ = 1;
  std::size_t element_bytes_;  // 0: strings
  std::size_t committed_ = 0;  // elements, as all sizes here
  std::size_t capacity_ = 0;
  std::size_t most_;
  std::size_t pending_ = 0;
  RowExtents pending_extents_;
  RowExtents extents_;  // of every committed row
  tensor::BufferRef buffer_;
  std::vector<std::string> strings_;
};

}  // namespace muster::server::codec::internal
