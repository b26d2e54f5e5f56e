#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::batching {

/// How many rows a run must have so that a row gets the same bits in all such runs, wherever it is
/// in them and whatever its neighbours are.
enum class BatchInvariance : std::uint8_t {
  kNone,        ///< no class of numbers was found
  kAtLeastTwo,  ///< a row alone gets other bits than in any larger run
  kAll,         ///< any number
  kOneRowRuns,  ///< runs have one row: there is nothing to differ from
};
/// "none", "at_least_2", "all", "one_row_runs".
std::string_view BatchInvarianceName(BatchInvariance invariance);

/// What trying a model before it is served showed about batching it.
struct BatchingProof {
  /// Rows of different requests may share a run.
  bool batchable = false;
  /// Why not, naming the output that differs; empty when batchable.
  std::string reason;
  /// One row of inputs that the model accepts; empty if none was found.
  std::vector<tensor::Tensor> probe;
  BatchInvariance invariance = BatchInvariance::kNone;
  /// Rows of the largest run whose bits were compared; 0 if none was.
  std::int64_t compared_rows = 0;
  /// What speaks against kAll: the first output that differs and the numbers of rows.
  std::string difference;
};

struct ProofOptions {
  std::uint64_t seed = 1;
  /// Rows that runs may have in service: bits of larger ones do not count.
  std::int64_t max_batch_size = 64;
  /// Compare the bits of runs of every number of rows up to max_batch_size, not of 1, 2, 3, 8 and
  /// 16 only; and where rows have extents of their own, those of larger rows too.
  bool every_size = false;
};

/// A symbolic axis 0 does not prove that rows are independent: a softmax or mean over axis 0 mixes
/// clients' data and still answers. Runs seeded rows alone and among different neighbours (n = 2,
/// 3, 8; first, middle, last; ≤ 16 rows a run unless every size is asked for) and compares: outputs
/// must have n rows and agree within |a − b| ≤ 1e-5 + 1e-4·|b| for floating point, exactly
/// otherwise. The same runs show for which n a row's bits are equal. Dynamic axes besides the batch
/// are tried with extent 1 to 8 until a row is accepted. Blocks for the runs; deterministic. A
/// model whose probe row is refused in every form is not batchable, and not an error.
BatchingProof ProveBatching(const model::ModelSpec& spec, model::Instance& instance,
                            const ProofOptions& options = {});

}  // namespace muster::batching
