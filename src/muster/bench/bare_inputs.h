#pragma once

#include <cstdint>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::bench {

using Tensors = std::vector<tensor::Tensor>;

struct InputOptions {
  std::int64_t distinct = 512;  ///< rows that differ
  std::uint64_t seed = 1;
  std::int64_t max_bytes = std::int64_t{1} << 30;  ///< fewer rows where they would need more
};

/// Made-up rows that a model accepts, and batches of them as views: a batch is never gathered while
/// it is measured. Batch k of n rows holds the rows k·n … k·n + n − 1, counted around. Immutable
/// once made; may be read from any thread. Models without an axis of rows get one row a run, those
/// with a fixed number of rows always that many.
class BareInputs {
 public:
  /// Runs some rows on `instance` to find values and extents that the model takes; `sizes` are the
  /// batch sizes that will be asked for. Blocks. Errors: FAILED_PRECONDITION where no made-up row
  /// is accepted; INVALID_ARGUMENT where the model cannot run one of the sizes (see SizesOf);
  /// RESOURCE_EXHAUSTED where the rows of the largest batch need over 4 · max_bytes, or memory
  /// ends.
  static base::Result<BareInputs> Make(const model::ModelSpec& spec, model::Instance& instance,
                                       const std::vector<std::int64_t>& sizes,
                                       const InputOptions& options = {});

  std::int64_t distinct() const { return distinct_; }
  /// Batches of `size` rows until they begin with row 0 again.
  std::int64_t Batches(std::int64_t size) const;
  /// Inputs of batch `k`, in the order of the spec. `size` is one of those given to Make.
  Tensors Batch(std::int64_t size, std::int64_t k) const;
  /// Which row of [0, distinct) is at `place` of batch `k`.
  std::int64_t RowAt(std::int64_t size, std::int64_t k, std::int64_t place) const;
  /// Row `row` as a run of its own, repeated where the model takes no fewer rows.
  Tensors Alone(std::int64_t row) const;

 private:
  BareInputs(const model::ModelSpec& spec, Tensors rows, std::int64_t distinct)
      : spec_(&spec), rows_(std::move(rows)), distinct_(distinct) {}

  const model::ModelSpec* spec_;  // the model's, which outlives this
  Tensors rows_;                  // per input [distinct + overhang, …], the overhang rows 0, 1, …
  std::int64_t distinct_;
};

/// The batch sizes of `wanted` that a model can run: all, its fixed number of rows, or 1.
std::vector<std::int64_t> SizesOf(const model::ModelSpec& spec, std::vector<std::int64_t> wanted);

}  // namespace muster::bench
