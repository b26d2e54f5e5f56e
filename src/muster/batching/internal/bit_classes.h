#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "muster/batching/proof.h"
#include "muster/tensor/tensor.h"

namespace muster::batching {

/// Collects what rows gave in runs of different sizes and tells which sizes give the same bits.
/// Pure; keeps two views of outputs per row.
class BitClasses {
 public:
  struct Difference {
    std::size_t output = 0;  // index
    std::int64_t rows = 0;   // of the run that gave other bits
    std::int64_t before = 0;
  };

  /// `outputs` ([1, …] each) is what row number `row` gave in a run of `rows` rows.
  void Observe(std::size_t row, std::int64_t rows, const std::vector<tensor::Tensor>& outputs);
  /// Of all that was observed; kAll where nothing differed.
  BatchInvariance invariance() const;
  /// What the verdict is about: two runs of two or more rows if such differ, else a row alone and
  /// such a run. None where nothing differed.
  std::optional<Difference> difference() const { return shared_ ? shared_ : alone_; }
  std::int64_t largest() const { return largest_; }

 private:
  struct Seen {
    std::int64_t rows = 0;  // 0: not yet
    std::vector<tensor::Tensor> outputs;
  };
  static void Hold(Seen& seen, std::int64_t rows, const std::vector<tensor::Tensor>& outputs,
                   std::optional<Difference>& difference);

  std::vector<Seen> in_any_;     // per row: its first run
  std::vector<Seen> in_shared_;  // per row: its first run of two or more
  std::optional<Difference> alone_;
  std::optional<Difference> shared_;
  std::int64_t largest_ = 0;
};

}  // namespace muster::batching
