#include "muster/batching/internal/runner.h"

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "muster/base/mutex.h"
#include "muster/batching/internal/pending.h"
#include "muster/batching/internal/turn_budget.h"
#include "muster/model/output_check.h"

namespace muster::batching {
namespace {

using model::BatchAxis;
using tensor::Tensor;

constexpr std::uintptr_t kAlignment = 64;  // what BufferRef::Allocate gives

bool IsAligned(const Tensor& tensor) {
  return tensor.dtype() == tensor::DType::kBytes ||
         reinterpret_cast<std::uintptr_t>(tensor.bytes()) % kAlignment == 0;
}

}  // namespace

/// Waits for the end of a run; a synchronous backend has ended it before the wait begins.
class Runner::Sink final : public model::RunSink {
 public:
  void OnDone(model::RunId, base::Result<std::vector<Tensor>> outputs) override {
    base::MutexLock lock(mutex_);
    outputs_ = std::move(outputs);
    done_.notify_one();  // under the lock: once it is free, this sink may be gone
  }

  bool done() {
    base::MutexLock lock(mutex_);
    return outputs_.has_value();
  }

  base::Result<std::vector<Tensor>> Await() {
    base::MutexLock lock(mutex_);
    while (!outputs_.has_value()) base::Wait(mutex_, done_);
    base::Result<std::vector<Tensor>> outputs = std::move(*outputs_);
    outputs_.reset();
    return outputs;
  }

 private:
  base::Mutex mutex_;
  base::CondVar done_;
  std::optional<base::Result<std::vector<Tensor>>> outputs_ MUSTER_GUARDED_BY(mutex_);
};

Runner::Runner(const model::ModelSpec& spec, std::unique_ptr<model::Instance> instance,
               base::Clock& clock, RunForm form)
    : spec_(spec),
      instance_(std::move(instance)),
      clock_(clock),
      form_(form),
      sink_(std::make_unique<Sink>()),
      buffers_(spec.inputs.size()) {
  inputs_.reserve(spec.inputs.size());
}

Runner::~Runner() = default;

std::int64_t Runner::ModelRows(std::int64_t rows) const {
  switch (spec_.batch_axis) {
    case BatchAxis::kFixed:
      return spec_.fixed_batch;
    case BatchAxis::kDynamic:
      return std::max(rows, form_.min_rows);
    case BatchAxis::kNone:
      break;
  }
  return rows;
}

RunOutcome Runner::Run(std::span<const Slice> slices, RunInfo info) {
  Begin(slices, info);
  return Finish();
}

void Runner::Begin(std::span<const Slice> slices, RunInfo info) {
  outcome_.reset();
  const base::Duration cpu_before = clock_.ThreadCpu();
  base::Status assembled = Assemble(slices, info.rows);
  info_ = info;
  info_.started = clock_.Now();
  if (!assembled) {
    info_.finished = info_.started;
    info_.cost = info_.finished - info_.formed;
    outcome_ = {info_, assembled.error()};
    return;
  }
  instance_->Start(info_.id, inputs_, *sink_);
  if (!sink_->done()) return;
  outcome_ = OutcomeOf(sink_->Await());
  base::Duration& cost = outcome_->info.cost;
  if (cost > TurnBudget::kTurn) cost = std::min(cost, clock_.ThreadCpu() - cpu_before);
}

RunOutcome Runner::Finish() {
  if (!outcome_) return OutcomeOf(sink_->Await());
  RunOutcome outcome = std::move(*outcome_);
  outcome_.reset();
  return outcome;
}

RunOutcome Runner::OutcomeOf(base::Result<std::vector<Tensor>> outputs) {
  info_.finished = clock_.Now();
  info_.cost = info_.finished - info_.formed;
  ReleaseInputs();
  if (!outputs) return {info_, std::move(outputs)};
  base::Status checked = model::CheckOutputs(spec_, *outputs, ModelRows(info_.rows));
  if (!checked) return {info_, checked.error()};
  for (Tensor& output : *outputs) {
    if (spec_.batch_axis == BatchAxis::kNone) {
      output = output.Reshaped(output.shape().Prepend(1));
    } else if (output.rows() != info_.rows) {
      output = output.Rows(0, info_.rows);
    }
  }
  return {info_, std::move(outputs)};
}

base::Status Runner::RunProbe(std::span<const Tensor> probe, model::RunId id) {
  inputs_.assign(probe.begin(), probe.end());
  if (spec_.batch_axis == BatchAxis::kNone) {
    for (Tensor& input : inputs_) input = input.Reshaped(input.shape().RowShape());
  }
  const base::Result<std::vector<Tensor>> outputs = Start(id);
  const std::int64_t rows = inputs_.empty() ? 1 : inputs_[0].rows();
  ReleaseInputs();
  if (!outputs) return outputs.error();
  return model::CheckOutputs(spec_, *outputs, rows);
}

base::Result<std::vector<Tensor>> Runner::Start(model::RunId id) {
  instance_->Start(id, inputs_, *sink_);
  return sink_->Await();
}

// An output may be a view into an input (an identity). Whoever holds one keeps that memory; the
// next batch gets other. Asked here, where the run is over and its outputs are still ours alone,
// the count cannot change under us.
void Runner::ReleaseInputs() {
  inputs_.clear();
  for (tensor::BufferRef& buffer : buffers_) {
    if (buffer && buffer.use_count() > 1) buffer = {};
  }
}

// --- Inputs

base::Status Runner::Assemble(std::span<const Slice> slices, std::int64_t rows) try {
  inputs_.clear();
  for (std::size_t i = 0; i < spec_.inputs.size(); ++i) {
    inputs_.push_back(AssembleInput(i, slices, rows));
  }
  return {};
} catch (const std::bad_alloc&) {
  inputs_.clear();
  return base::ResourceExhausted("no memory to gather a batch of " + std::to_string(rows) +
                                 " rows");
}

Tensor Runner::AssembleInput(std::size_t input, std::span<const Slice> slices, std::int64_t rows) {
  const Slice& first = slices.front();
  const Tensor& source = first.pending->item.inputs[input];
  const bool as_is = slices.size() == 1 && rows == ModelRows(rows);
  const bool whole = as_is && rows == source.rows();
  Tensor batch = whole   ? source
                 : as_is ? source.Rows(first.first_row, rows)
                         : Gather(input, slices, rows);
  if (form_.aligned && !IsAligned(batch)) batch = Gather(input, slices, rows);
  if (spec_.batch_axis != BatchAxis::kNone) return batch;
  return batch.Reshaped(batch.shape().RowShape());
}

Tensor Runner::Gather(std::size_t input, std::span<const Slice> slices, std::int64_t rows) {
  const Tensor& source = slices.front().pending->item.inputs[input];
  const std::int64_t model_rows = ModelRows(rows);
  Tensor batch = BatchTensor(input, source, model_rows);
  std::int64_t row = 0;
  for (const Slice& slice : slices) {
    const Tensor& from = slice.pending->item.inputs[input];
    if (slice.rows == from.rows()) {
      tensor::GatherRows(std::span(&from, 1), batch, row);
    } else {
      const Tensor part = from.Rows(slice.first_row, slice.rows);
      tensor::GatherRows(std::span(&part, 1), batch, row);
    }
    row += slice.rows;
  }
  if (rows < model_rows) tensor::PadRows(batch, rows);
  return batch;
}

// Strings get new memory every time: kept, they would pin whatever clients have sent.
Tensor Runner::BatchTensor(std::size_t input, const Tensor& like, std::int64_t rows) {
  const tensor::Shape shape = like.shape().WithRows(rows);
  if (like.dtype() == tensor::DType::kBytes) return Tensor::Allocate(like.dtype(), shape);
  const std::size_t bytes =
      static_cast<std::size_t>(shape.elements()) * tensor::DTypeSize(like.dtype());
  tensor::BufferRef& buffer = buffers_[input];
  if (!buffer || buffer.size() < bytes) {
    buffer = {};  // before the larger one is there
    buffer = tensor::BufferRef::Allocate(std::max<std::size_t>(bytes, 64));
  }
  return Tensor::View(like.dtype(), shape, buffer).value();
}

base::RecycledVector<WorkPart> PartsOf(const std::vector<Tensor>& outputs,
                                       std::span<const Slice> slices) {
  base::RecycledVector<WorkPart> parts;
  parts.reserve(slices.size());
  std::int64_t row = 0;
  for (const Slice& slice : slices) {
    WorkPart& part = parts.emplace_back(WorkPart{slice.first_row, slice.rows, {}});
    part.outputs.reserve(outputs.size());
    for (const Tensor& output : outputs) {
      part.outputs.push_back(output.rows() == slice.rows ? output : output.Rows(row, slice.rows));
    }
    row += slice.rows;
  }
  return parts;
}

}  // namespace muster::batching
