#include "muster/batching/proof.h"

#include <algorithm>
#include <array>
#include <new>
#include <random>
#include <set>
#include <utility>

#include "muster/batching/internal/bit_classes.h"
#include "muster/model/agreement.h"
#include "muster/model/output_check.h"
#include "muster/model/seeded_rows.h"

namespace muster::batching {
namespace {

using model::BatchAxis;
using tensor::Tensor;
using Tensors = std::vector<Tensor>;

constexpr std::int64_t kLargestExtent = 8;
constexpr std::size_t kRows = 8;
constexpr std::size_t kRowsForEverySize = 32;
constexpr std::int64_t kLargestByDefault = 16;

/// One attempt to prove a model; stops at the first thing that speaks against it.
class Prover {
 public:
  Prover(const model::ModelSpec& spec, model::Instance& instance, const ProofOptions& options)
      : spec_(spec), instance_(instance), options_(options), random_(options.seed) {}

  BatchingProof Prove() {
    base::Status status = TryWithMemory();
    proof_.batchable = status.has_value();
    if (status) {
      proof_.invariance = bits_.invariance();
    } else {
      proof_.reason = status.error().message;
    }
    proof_.compared_rows = bits_.largest();
    if (bits_.difference()) proof_.difference = Describe(*bits_.difference());
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
    MUSTER_RETURN_IF_ERROR(RunTogether());
    if (!options_.every_size || !model::HasDynamicRowDims(spec_)) return {};
    for (const std::int64_t extent : {16, 61}) {
      extent_ = extent;
      if (!RunEachAlone()) continue;  // rows of this extent are refused
      MUSTER_RETURN_IF_ERROR(RunTogether());
    }
    return {};
  }

  /// A row that the model accepts, and with it which kind of rows that is.
  base::Status FindProbe() {
    const std::int64_t extents = model::HasDynamicRowDims(spec_) ? kLargestExtent : 1;
    base::Error refusal;
    for (const model::RowStyle style : {model::RowStyle::kVaried, model::RowStyle::kBinary}) {
      for (extent_ = 1; extent_ <= extents; ++extent_) {
        style_ = style;
        MUSTER_ASSIGN_OR_RETURN(Tensors row, model::MakeRow(spec_, style_, extent_, random_));
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
    const std::size_t enough = options_.every_size ? kRowsForEverySize : kRows;
    first_row_ += rows_.size();
    rows_.clear();
    alone_.clear();
    base::Error refusal;
    for (std::size_t i = 0; i < 2 * enough && rows_.size() < enough; ++i) {
      MUSTER_ASSIGN_OR_RETURN(Tensors row, model::MakeRow(spec_, style_, extent_, random_));
      base::Result<Tensors> outputs = RunAlone(row);
      if (!outputs) {
        refusal = outputs.error();
        continue;
      }
      bits_.Observe(first_row_ + rows_.size(), RowsAlone(), *outputs);
      rows_.push_back(std::move(row));
      alone_.push_back(*std::move(outputs));
    }
    if (rows_.size() >= 2) return {};
    return refusal.WithContext("too few rows of made-up values were accepted, the last because");
  }

  // Two rows first: a model that cannot take them says so at once.
  base::Status RunTogether() {
    if (spec_.batch_axis == BatchAxis::kFixed) {
      MUSTER_RETURN_IF_ERROR(RunInPlaces(spec_.fixed_batch));
      for (std::int64_t place = 1; options_.every_size && place < spec_.fixed_batch; ++place) {
        MUSTER_RETURN_IF_ERROR(RunAmongOthers(static_cast<std::size_t>(spec_.fixed_batch),
                                              static_cast<std::size_t>(place)));
      }
      return {};
    }
    for (const std::int64_t n : {2, 3, 8}) MUSTER_RETURN_IF_ERROR(RunInPlaces(n));
    // Every row of a run is compared, so that one run of a size sees all places in it.
    if (!options_.every_size) {
      return options_.max_batch_size < kLargestByDefault ? base::Status()
                                                         : RunAmongOthers(kLargestByDefault, 0);
    }
    for (std::int64_t n = 4; n <= options_.max_batch_size; ++n) {
      MUSTER_RETURN_IF_ERROR(RunAmongOthers(static_cast<std::size_t>(n), 0));
    }
    return {};
  }

  base::Status RunInPlaces(std::int64_t rows) {
    const auto n = static_cast<std::size_t>(rows);
    for (const std::size_t place : std::set<std::size_t>{0, n / 2, n - 1}) {
      MUSTER_RETURN_IF_ERROR(RunAmongOthers(n, place));
    }
    return {};
  }

  /// Row `place` of n at `place`, the others around it in an order that differs from run to run.
  base::Status RunAmongOthers(std::size_t n, std::size_t place) {
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = (i * (2 * place + 1) + n) % rows_.size();
    order[place] = target_++ % rows_.size();
    std::vector<const Tensors*> chosen;
    for (const std::size_t row : order) chosen.push_back(&rows_[row]);
    base::Result<Tensors> outputs = RunRows(model::StackRows(chosen), static_cast<std::int64_t>(n));
    if (!outputs) return outputs.error();
    for (std::size_t i = 0; i < n; ++i) {
      MUSTER_RETURN_IF_ERROR(Hold(*outputs, i, order[i]));
    }
    return {};
  }

  /// Row `place` of `outputs` against what row number `row` is alone.
  base::Status Hold(const Tensors& outputs, std::size_t place, std::size_t row) {
    Tensors own;
    for (const Tensor& output : outputs) {
      own.push_back(output.Rows(static_cast<std::int64_t>(place), 1));
    }
    const std::int64_t rows = outputs.empty() ? 0 : outputs[0].rows();
    if (rows <= options_.max_batch_size || spec_.batch_axis == BatchAxis::kFixed) {
      bits_.Observe(first_row_ + row, rows, own);
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (model::Compare(own[i], alone_[row][i]).agree) continue;
      return base::FailedPrecondition("output \"" + spec_.outputs[i].name +
                                      "\" of a row changes with the other rows of the run");
    }
    return {};
  }

  std::string Describe(const BitClasses::Difference& difference) const {
    const std::string rows = std::to_string(difference.rows) + " rows";
    return "output \"" + spec_.outputs[difference.output].name + "\" of a row has other bits in " +
           (difference.rows == difference.before
                ? "one run of " + rows + " than in another"
                : "a run of " + rows + " than in one of " + std::to_string(difference.before));
  }

  /// One row as a run of its own: repeated where the model takes no fewer.
  Tensors Alone(const Tensors& row) const {
    if (spec_.batch_axis != BatchAxis::kFixed) return row;
    return model::StackRows(
        std::vector<const Tensors*>(static_cast<std::size_t>(spec_.fixed_batch), &row));
  }

  /// Rows of a run that holds one.
  std::int64_t RowsAlone() const {
    return spec_.batch_axis == BatchAxis::kFixed ? spec_.fixed_batch : 1;
  }

  base::Result<Tensors> RunAlone(const Tensors& row) {
    MUSTER_ASSIGN_OR_RETURN(Tensors outputs, RunRows(Alone(row), RowsAlone()));
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
    MUSTER_RETURN_IF_ERROR(model::CheckOutputs(spec_, *outputs, rows));
    return outputs;
  }

  const model::ModelSpec& spec_;
  model::Instance& instance_;
  const ProofOptions options_;
  std::mt19937_64 random_;
  model::RowStyle style_ = model::RowStyle::kVaried;
  std::int64_t extent_ = 1;
  std::size_t first_row_ = 0;   // number of rows_[0] among all that were made
  std::vector<Tensors> rows_;   // accepted alone
  std::vector<Tensors> alone_;  // what they gave
  std::size_t target_ = 0;
  BitClasses bits_;
  BatchingProof proof_;
};

}  // namespace

std::string_view BatchInvarianceName(BatchInvariance invariance) {
  constexpr std::array<std::string_view, 4> kNames = {"none", "at_least_2", "all", "one_row_runs"};
  return kNames[static_cast<std::size_t>(invariance)];
}

BatchingProof ProveBatching(const model::ModelSpec& spec, model::Instance& instance,
                            const ProofOptions& options) {
  return Prover(spec, instance, options).Prove();
}

}  // namespace muster::batching
