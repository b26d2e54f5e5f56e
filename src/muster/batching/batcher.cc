#include "muster/batching/batcher.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "muster/base/text.h"
#include "muster/batching/internal/dispatch.h"
#include "muster/batching/internal/executor.h"

namespace muster::batching {
namespace {

/// Rows a run may have, given what the model takes.
std::int64_t RowsPerRun(const model::ModelSpec& spec, std::int64_t max_batch_size) {
  switch (spec.batch_axis) {
    case model::BatchAxis::kNone:
      return 1;
    case model::BatchAxis::kFixed:
      return std::min(max_batch_size, spec.fixed_batch);
    case model::BatchAxis::kDynamic:
      break;
  }
  return max_batch_size;
}

BatcherOptions Complete(BatcherOptions options, const model::ModelSpec& spec) {
  options.policy.max_batch_size = RowsPerRun(spec, options.policy.max_batch_size);
  if (options.max_queue_rows == 0) {
    options.max_queue_rows = 2 * options.policy.max_batch_size * options.instances;
  }
  return options;
}

/// With what the instances say about themselves.
BatcherOptions Complete(BatcherOptions options, const model::ModelSpec& spec,
                        const std::vector<std::unique_ptr<model::Instance>>& instances) {
  const auto completes_inline = [](const auto& i) { return i->completes_inline(); };
  if (!std::ranges::all_of(instances, completes_inline)) options.executor = ExecutorKind::kThreads;
  return Complete(std::move(options), spec);
}

/// Executors and the timekeeper as threads around the Dispatch.
class ThreadedBatcher final : public Batcher {
 public:
  using Instances = std::vector<std::unique_ptr<model::Instance>>;

  ThreadedBatcher(const model::ModelSpec& spec, Instances instances,
                  std::vector<tensor::Tensor> probe, const BatcherOptions& options, Device& device,
                  base::Clock& clock)
      : spec_(spec),
        options_(options),
        probe_(std::move(probe)),
        dispatch_(options, device, clock) {
    for (std::unique_ptr<model::Instance>& instance : instances) {
      executors_.push_back(std::make_unique<Executor>(spec_, std::move(instance), probe_, dispatch_,
                                                      clock, options_.form));
    }
  }
  ~ThreadedBatcher() override { ThreadedBatcher::Drain(); }

  /// Errors: RESOURCE_EXHAUSTED where the system has no more threads.
  base::Status Start() try {
    timekeeper_ = std::jthread([this] { dispatch_.KeepTime(); });
    for (const auto& executor : executors_) {
      threads_.emplace_back([&work = *executor] { work.Work(); });
    }
    return {};
  } catch (const std::system_error&) {
    return base::ResourceExhausted("the system gives no thread for an executor");
  }

  void Submit(WorkItem item) override {
    MUSTER_CHECK(item.rows >= 1 && item.home != nullptr && item.done, "an incomplete WorkItem");
    MUSTER_CHECK(item.inputs.size() == spec_.inputs.size(), "a WorkItem lacks inputs");
    for (const tensor::Tensor& input : item.inputs) {
      MUSTER_CHECK(input.shape().rank() >= 1 && input.rows() == item.rows,
                   "a WorkItem of " + std::to_string(item.rows) + " rows has an input of shape " +
                       input.shape().ToString());
    }
    dispatch_.Submit(std::move(item));
  }

  base::Status WouldAccept(base::TimePoint deadline) override {
    return dispatch_.WouldAccept(deadline);
  }

  BatcherSnapshot Snapshot() const override {
    BatcherSnapshot snapshot;
    dispatch_.FillSnapshot(snapshot);
    snapshot.policy = options_.policy.kind;
    snapshot.instances = options_.instances;
    snapshot.max_batch_size = options_.policy.max_batch_size;
    snapshot.max_queue_rows = options_.max_queue_rows;
    return snapshot;
  }

  // The timekeeper goes last: what waits may still expire while the rest is run.
  void Drain() override {
    std::call_once(drained_, [this] {
      dispatch_.StartDrain();
      threads_.clear();
      dispatch_.StopTimekeeper();
      if (timekeeper_.joinable()) timekeeper_.join();
      dispatch_.CloseTurnEnds();
    });
  }

 private:
  const model::ModelSpec& spec_;
  const BatcherOptions options_;
  const std::vector<tensor::Tensor> probe_;
  Dispatch dispatch_;
  std::vector<std::unique_ptr<Executor>> executors_;
  std::vector<std::jthread> threads_;
  std::jthread timekeeper_;
  std::once_flag drained_;
};

}  // namespace

base::Result<ExecutorKind> ParseExecutorKind(std::string_view name) {
  if (name == "auto") return ExecutorKind::kAuto;
  if (name == "threads") return ExecutorKind::kThreads;
  return base::InvalidArgument("unknown executor `" + base::Printable(name) +
                               "`; expected auto or threads");
}

base::Status BatcherOptions::Validate() const {
  MUSTER_RETURN_IF_ERROR(policy.Validate());
  if (instances < 1 || instances > 1024) {
    return base::InvalidArgument("instances must be between 1 and 1024, not " +
                                 std::to_string(instances));
  }
  if (threads_per_instance < 1 || threads_per_instance > 1024) {
    return base::InvalidArgument("threads_per_instance must be between 1 and 1024, not " +
                                 std::to_string(threads_per_instance));
  }
  if (form.min_rows < 1 || form.min_rows > policy.max_batch_size) {
    return base::InvalidArgument("min_rows must be between 1 and max_batch_size, not " +
                                 std::to_string(form.min_rows));
  }
  if (max_queue_rows < 0) {
    return base::InvalidArgument("max_queue_rows must not be negative; 0 derives it");
  }
  if (max_queue_bytes == 0) return base::InvalidArgument("max_queue_bytes must not be 0");
  return {};
}

base::Result<std::unique_ptr<Batcher>> Batcher::Create(model::Model& model,
                                                       std::vector<tensor::Tensor> probe,
                                                       const BatcherOptions& options,
                                                       Device& device, base::Clock& clock) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  ThreadedBatcher::Instances instances;
  for (int i = 0; i < options.instances; ++i) {
    MUSTER_ASSIGN_OR_RETURN(auto instance,
                            model.NewInstance({.threads = options.threads_per_instance}));
    instances.push_back(std::move(instance));
  }
  const BatcherOptions complete = Complete(options, model.spec(), instances);
  auto batcher = std::make_unique<ThreadedBatcher>(model.spec(), std::move(instances),
                                                   std::move(probe), complete, device, clock);
  MUSTER_RETURN_IF_ERROR(batcher->Start());
  return std::unique_ptr<Batcher>(std::move(batcher));
}

}  // namespace muster::batching
