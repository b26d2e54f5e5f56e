#pragma once

#include <optional>
#include <vector>

#include "muster/bench/bare_inputs.h"

namespace muster::bench {

/// Holds the rows of batches to what they are alone, which is found out for each row when it is
/// first needed. For one thread.
class RowCheck {
 public:
  RowCheck(const model::ModelSpec& spec, const BareInputs& inputs)
      : spec_(spec), inputs_(inputs), alone_(static_cast<std::size_t>(inputs.distinct())) {}

  /// Runs batch `k` of `size` rows and every row of it that was not yet run alone. Errors:
  /// FAILED_PRECONDITION naming the output that differs, those of the runs.
  base::Status CheckBatch(model::Instance& instance, std::int64_t size, std::int64_t k);

 private:
  base::Result<Tensors> Run(model::Instance& instance, const Tensors& batch, std::int64_t rows);
  base::Status RunAlone(model::Instance& instance, std::int64_t row);
  base::Status Hold(const Tensors& outputs, std::int64_t place, const Tensors& alone) const;
  Tensors RowOf(const Tensors& outputs, std::int64_t place) const;

  const model::ModelSpec& spec_;
  const BareInputs& inputs_;
  std::vector<std::optional<Tensors>> alone_;
};

}  // namespace muster::bench
