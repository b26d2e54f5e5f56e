#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/device.h"
#include "muster/batching/policy.h"
#include "muster/batching/work.h"
#include "muster/model/model.h"
#include "muster/telemetry/histogram.h"

namespace muster::batching {

/// Which threads run batches.
enum class ExecutorKind : std::uint8_t {
  kAuto,     ///< executor threads; event loops too, where runs are short and complete inline
  kThreads,  ///< executor threads only
};
base::Result<ExecutorKind> ParseExecutorKind(std::string_view name);

struct BatcherOptions {
  std::string name = "model";  ///< of its flow on the device
  PolicyOptions policy;
  int instances = 1;
  /// With more than one, runs are left to executors: they wait for threads of the backend's own.
  int threads_per_instance = 1;
  RunForm form;
  ExecutorKind executor = ExecutorKind::kAuto;
  /// 0: 2 × max_batch_size × instances.
  std::int64_t max_queue_rows = 0;
  std::size_t max_queue_bytes = 256u << 20;
  std::chrono::milliseconds isolate_for{10'000};  ///< how long a client that was bad runs alone
  /// Told once of every batch that the backend ran (true) or failed for reasons of its own (false),
  /// and not of one that failed for its data alone: before the answers that depend on it, on the
  /// thread that ran it, without a lock. May be empty.
  std::function<void(bool succeeded, base::TimePoint now)> on_batch;
  base::Status Validate() const;
};

/// What a batcher has done so far and holds now, consistent with itself:
/// requests = answered + refused + expired + cancelled + those waiting or running.
struct BatcherSnapshot {
  PolicyKind policy = PolicyKind::kAdaptive;
  int instances = 0;
  std::int64_t max_batch_size = 0;
  std::int64_t max_queue_rows = 0;
  std::int64_t waiting_rows = 0;
  std::int64_t waiting_requests = 0;
  std::int64_t running_rows = 0;
  int running = 0;  // runs in flight
  base::Duration oldest_wait{0};
  std::uint64_t requests = 0;           // submitted
  std::uint64_t rows = 0;               // submitted
  std::uint64_t rows_succeeded = 0;     // answered with a value
  std::uint64_t rows_failed = 0;        // answered with an error of their own
  std::uint64_t requests_answered = 0;  // with a WorkResult
  std::uint64_t requests_refused = 0;   // queue full, draining
  std::uint64_t requests_expired = 0;   // deadline passed in the queue, or before
  std::uint64_t requests_cancelled = 0;
  std::uint64_t runs = 0;
  std::uint64_t failed_runs = 0;
  std::uint64_t wakeups = 0;                             // of idle executors
  std::uint64_t caller_runs = 0;                         // begun on a loop's own thread
  std::array<std::uint64_t, kLaunchReasons> launches{};  // runs by LaunchReason
  telemetry::HistogramSnapshot batch_rows;               // rows per run
  telemetry::HistogramSnapshot queue_wait;               // ns, per answered request
  telemetry::HistogramSnapshot run_time;                 // ns, per run
  // As learned, for the shape signature that ran last; empty and 0 before any run.
  std::vector<CurvePoint> curve;    // from forming to the end of runs
  std::int64_t efficient_rows = 0;  // of a run: more do not raise rows/s
  double offered_load = 0;          // of late; 1 is all that the instances can do
};

/// Gathers concurrent requests for one model version into runs, on executor threads of its own, one
/// per instance: each waits for work and for a slot of the device, and only then is a batch formed
/// (late binding), so that batches grow by themselves while runs are busy. Runs that are known to
/// take microseconds are made on the event loop that the requests came from, at its turn's end.
///
/// A run that fails for its data is bisected until only the bad rows (or requests) fail; a row that
/// fails alone while the probe still succeeds is the row's fault (INVALID_ARGUMENT
/// "INPUT_REJECTED_BY_MODEL"), else the backend's (INTERNAL "BACKEND_ERROR"). An answer with other
/// rows, dtypes or shapes than promised is INTERNAL "BACKEND_INVALID". Thread-safe.
///
///   auto batcher = Batcher::Create(model, probe_inputs, options, device, clock);
///   batcher->Submit(std::move(item));
class Batcher {
 public:
  /// `model`, `device` and `clock` outlive the batcher. `probe` is one row ([1, …] per input; the
  /// fixed number of rows for a fixed-batch model) that the model is known to accept; empty where
  /// there is none: then a row that fails alone is taken to be at fault if any run has succeeded.
  /// Errors: those of Model::NewInstance and of the options; RESOURCE_EXHAUSTED without threads.
  static base::Result<std::unique_ptr<Batcher>> Create(model::Model& model,
                                                       std::vector<tensor::Tensor> probe,
                                                       const BatcherOptions& options,
                                                       Device& device, base::Clock& clock);
  virtual ~Batcher() = default;  // drains first

  /// Never blocks and never calls `done` inline: it is posted to item.home, or called at the end of
  /// its turn where Submit is called in one.
  virtual void Submit(WorkItem item) = 0;
  /// What would become of one row like those that came last, submitted now with this deadline: OK,
  /// or the error it would be refused with, which then counts as a refusal. Asked before a large
  /// body is read.
  virtual base::Status WouldAccept(base::TimePoint deadline) = 0;
  virtual BatcherSnapshot Snapshot() const = 0;
  /// Refuses new work, finishes all that was accepted, joins the executors. Blocks; idempotent.
  virtual void Drain() = 0;
};

}  // namespace muster::batching
