#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/work.h"
#include "muster/model/model.h"
#include "muster/tensor/tensor.h"

namespace muster::batching {

/// What came of one run.
struct RunOutcome {
  RunInfo info;
  /// [rows, …] each, padding cut off; checked against the model's spec. Errors: the backend's own,
  /// INTERNAL "BACKEND_INVALID", or RESOURCE_EXHAUSTED where there was no memory for the batch.
  base::Result<std::vector<tensor::Tensor>> outputs;
};

/// Makes one run out of slices on an instance of its own: gathers their rows (one slice is passed
/// as a view, without a copy, where the form allows), pads with copies of a row where the model
/// must have more, runs, waits, and checks what comes back. Used by one thread.
class Runner {
 public:
  Runner(const model::ModelSpec& spec, std::unique_ptr<model::Instance> instance,
         base::Clock& clock, RunForm form = {});
  ~Runner();

  /// `info` carries id, rows, reason and formed; the rest is filled in. Blocks.
  RunOutcome Run(std::span<const Slice> slices, RunInfo info);
  /// Run in two steps, for a thread that must not wait. Begin returns when the instance's Start
  /// does; what `slices` refer to stays alive until Finish, which returns the outcome, on any
  /// thread, and blocks until it is there.
  void Begin(std::span<const Slice> slices, RunInfo info);
  RunOutcome Finish();
  /// Whether the run that Begin began was over when it returned: Finish will not block.
  bool completed() const { return outcome_.has_value(); }
  /// Completed with outputs.
  bool succeeded() const { return outcome_ && outcome_->outputs.has_value(); }
  /// Whether the model still takes rows it has taken before. Blocks.
  base::Status RunProbe(std::span<const tensor::Tensor> probe, model::RunId id);

 private:
  class Sink;
  base::Status Assemble(std::span<const Slice> slices, std::int64_t rows);
  tensor::Tensor AssembleInput(std::size_t input, std::span<const Slice> slices, std::int64_t rows);
  tensor::Tensor Gather(std::size_t input, std::span<const Slice> slices, std::int64_t rows);
  tensor::Tensor BatchTensor(std::size_t input, const tensor::Tensor& like, std::int64_t rows);
  base::Result<std::vector<tensor::Tensor>> Start(model::RunId id);
  RunOutcome OutcomeOf(base::Result<std::vector<tensor::Tensor>> outputs);
  void ReleaseInputs();
  /// Rows of the model's run for `rows` rows of requests.
  std::int64_t ModelRows(std::int64_t rows) const;

  const model::ModelSpec& spec_;
  std::unique_ptr<model::Instance> instance_;
  base::Clock& clock_;
  const RunForm form_;
  std::unique_ptr<Sink> sink_;
  RunInfo info_;                            // of the run at hand
  std::optional<RunOutcome> outcome_;       // of a run that Begin has seen the end of
  std::vector<tensor::Tensor> inputs_;      // of the run at hand
  std::vector<tensor::BufferRef> buffers_;  // per input, where batches are gathered
};

/// What of a run's outputs belongs to each of its slices, as views.
base::RecycledVector<WorkPart> PartsOf(const std::vector<tensor::Tensor>& outputs,
                                       std::span<const Slice> slices);

}  // namespace muster::batching
