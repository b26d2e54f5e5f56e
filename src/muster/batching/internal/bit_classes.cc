#include "muster/batching/internal/bit_classes.h"

#include <algorithm>

#include "muster/model/agreement.h"

namespace muster::batching {

void BitClasses::Observe(std::size_t row, std::int64_t rows,
                         const std::vector<tensor::Tensor>& outputs) {
  largest_ = std::max(largest_, rows);
  if (row >= in_any_.size()) {
    in_any_.resize(row + 1);
    in_shared_.resize(row + 1);
  }
  Hold(in_any_[row], rows, outputs, alone_);
  if (rows > 1) Hold(in_shared_[row], rows, outputs, shared_);
}

void BitClasses::Hold(Seen& seen, std::int64_t rows, const std::vector<tensor::Tensor>& outputs,
                      std::optional<Difference>& difference) {
  if (seen.rows == 0) {
    seen = {rows, outputs};
    return;
  }
  for (std::size_t i = 0; !difference && i < outputs.size(); ++i) {
    if (!model::Identical(outputs[i], seen.outputs[i])) difference = {i, rows, seen.rows};
  }
}

BatchInvariance BitClasses::invariance() const {
  if (shared_) return BatchInvariance::kNone;
  return alone_ ? BatchInvariance::kAtLeastTwo : BatchInvariance::kAll;
}

}  // namespace muster::batching
