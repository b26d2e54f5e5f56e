#include "muster/batching/proof.h"

#include <algorithm>
#include <new>
#include <random>
#include <set>
#include <utility>

#include "muster/batching/internal/agreement.h"
#include "muster/batching/internal/output_check.h"
#include "muster/batching/internal/seeded_rows.h"

namespace muster::batching {
namespace {

using model::BatchAxis;
using tensor::Tensor;
using Tensors = std::vector<Tensor>;

constexpr std::int64_t kLargestExtent = 8;
constexpr std::size_t kRows = 8;

/// One attempt to prove a model; stops at the first thing that speaks against it.
class Prover {
 public:
  Prover(const model::ModelSpec& spec, model::Instance& instance, std::uint64_t seed)
      : spec_(spec), instance_(instance), random_(seed) {}

  BatchingProof Prove() {
    base::Status status = TryWithMemory();
    proof_.batchable = status.has_value();
    if (!status) {
      proof_.reason = status.error().message;
      proof_.bit_identical = false;
    }
    return std::move(proof_);
  }

 private:
  base::Status TryWithMemory() try { return Try(); } catch (const std::bad_alloc&) {
    return base::ResourceExhausted("there is no memory for its rows");
  }

  base::Status Try() {
    MUSTER_RETURN_IF_ERROR(FindProbe());
    if (spec_.batch_axis == BatchAxis::kNone) {
      return base::FailedPrecondition("the inputs have no axis of rows in common");
    }
    if (spec_.batch_axis == BatchAxis::kFixed && spec_.fixed_batch == 1) {
      return base::FailedPrecondition("the model takes exactly one row a run");
    }
    MUSTER_RETURN_IF_ERROR(RunEachAlone());
    proof_.bit_identical = true;
    for (const std::size_t n : Sizes()) {
      for (const std::size_t place : std::set<std::size_t>{0, n / 2, n - 1}) {
        MUSTER_RETURN_IF_ERROR(RunAmongOthers(n, place));
      }
    }
    return {};
  }

  /// A row that the model accepts, and with it which kind of rows that is.
  base::Status FindProbe() {
    const std::int64_t extents = HasDynamicRowDims(spec_) ? kLargestExtent : 1;
    base::Error refusal;
    for (const RowStyle style : {RowStyle::kVaried, RowStyle::kBinary}) {
      for (extent_ = 1; extent_ <= extents; ++extent_) {
        style_ = style;
        MUSTER_ASSIGN_OR_RETURN(Tensors row, MakeRow(spec_, style_, extent_, random_));
        base::Result<Tensors> outputs = RunAlone(row);
        if (outputs) {
          proof_.probe = Alone(row);
          return {};
        }
        refusal = outputs.error();
      }
    }
    return refusal.WithContext("no row of made-up values was accepted, the last because");
  }

  base::Status RunEachAlone() {
    base::Error refusal;
    for (std::size_t i = 0; i < 2 * kRows && rows_.size() < kRows; ++i) {
      MUSTER_ASSIGN_OR_RETURN(Tensors row, MakeRow(spec_, style_, extent_, random_));
      base::Result<Tensors> outputs = RunAlone(row);
      if (!outputs) {
        refusal = outputs.error();
        continue;
      }
      rows_.push_back(std::move(row));
      alone_.push_back(*std::move(outputs));
    }
    if (rows_.size() >= 2) return {};
    return refusal.WithContext("too few rows of made-up values were accepted, the last because");
  }

  // Largest last: a model that cannot take two rows says so at once.
  std::vector<std::size_t> Sizes() const {
    if (spec_.batch_axis == BatchAxis::kFixed) return {static_cast<std::size_t>(spec_.fixed_batch)};
    return {2, 3, 8};
  }

  /// Row `place` of n at `place`, the others around it in an order that differs from run to run.
  base::Status RunAmongOthers(std::size_t n, std::size_t place) {
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = (i * (2 * place + 1) + n) % rows_.size();
    order[place] = target_++ % rows_.size();
    std::vector<const Tensors*> chosen;
    for (const std::size_t row : order) chosen.push_back(&rows_[row]);
    base::Result<Tensors> outputs = RunRows(StackRows(chosen), static_cast<std::int64_t>(n));
    if (!outputs) return outputs.error();
    for (std::size_t i = 0; i < n; ++i) {
      MUSTER_RETURN_IF_ERROR(Hold(*outputs, i, alone_[order[i]]));
    }
    return {};
  }

  /// Row `row` of `outputs` against what it is alone.
  base::Status Hold(const Tensors& outputs, std::size_t row, const Tensors& alone) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Agreement agreement =
          Compare(outputs[i].Rows(static_cast<std::int64_t>(row), 1), alone[i]);
      proof_.bit_identical = proof_.bit_identical && agreement.identical;
      if (agreement.agree) continue;
      return base::FailedPrecondition("output \"" + spec_.outputs[i].name +
                                      "\" of a row changes with the other rows of the run");
    }
    return {};
  }

  /// One row as a run of its own: repeated where the model takes no fewer.
  Tensors Alone(const Tensors& row) const {
    if (spec_.batch_axis != BatchAxis::kFixed) return row;
    return StackRows(
        std::vector<const Tensors*>(static_cast<std::size_t>(spec_.fixed_batch), &row));
  }

  base::Result<Tensors> RunAlone(const Tensors& row) {
    const std::int64_t rows = spec_.batch_axis == BatchAxis::kFixed ? spec_.fixed_batch : 1;
    MUSTER_ASSIGN_OR_RETURN(Tensors outputs, RunRows(Alone(row), rows));
    if (spec_.batch_axis == BatchAxis::kNone) return outputs;
    for (Tensor& output : outputs) output = output.Rows(0, 1);
    return outputs;
  }

  base::Result<Tensors> RunRows(Tensors inputs, std::int64_t rows) {
    if (spec_.batch_axis == BatchAxis::kNone) {
      for (Tensor& input : inputs) input = input.Reshaped(input.shape().RowShape());
    }
    base::Result<Tensors> outputs = model::RunAndWait(instance_, inputs);
    if (!outputs) {
      return outputs.error().WithContext("a run of " + std::to_string(rows) + " rows failed");
    }
    MUSTER_RETURN_IF_ERROR(CheckOutputs(spec_, *outputs, rows));
    return outputs;
  }

  const model::ModelSpec& spec_;
  model::Instance& instance_;
  std::mt19937_64 random_;
  RowStyle style_ = RowStyle::kVaried;
  std::int64_t extent_ = 1;
  std::vector<Tensors> rows_;   // accepted alone
  std::vector<Tensors> alone_;  // what they gave
  std::size_t target_ = 0;
  BatchingProof proof_;
};

}  // namespace

BatchingProof ProveBatching(const model::ModelSpec& spec, model::Instance& instance,
                            std::uint64_t seed) {
  return Prover(spec, instance, seed).Prove();
}

}  // namespace muster::batching
