#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/cancellation.h"
#include "muster/base/clock.h"
#include "muster/base/function.h"
#include "muster/base/loop.h"
#include "muster/base/recycled.h"
#include "muster/base/result.h"
#include "muster/tensor/tensor.h"

namespace muster::batching {

/// What fails together when a run fails because of its data: a row (the framework's batch bodies)
/// or the whole request (Open Inference Protocol).
enum class Isolation : std::uint8_t { kRow, kRequest };

/// Why a batch was launched when it was.
enum class LaunchReason : std::uint8_t {
  kInstanceFree,  ///< work-conserving: an instance was free
  kFull,          ///< the largest batch was waiting
  kKnee,          ///< as many rows were waiting as still gain from running together
  kDeadline,      ///< smaller than it could be, so that its first row is in time
  kDelay,         ///< the oldest row had waited as long as the policy lets it
  kSingle,        ///< policy `none`, or a model that takes one row or one request a run
  kIsolate,       ///< run again without its neighbours after a failed run
  kDrain,         ///< shutdown: what waits is run without further delay
};
inline constexpr std::size_t kLaunchReasons = 8;
std::string_view LaunchReasonName(LaunchReason reason);

/// What every run keeps to, so that a row gets the same bits in all of them; see BatchInvariance.
struct RunForm {
  /// Smaller runs of a model that takes any number of rows are padded to this.
  std::int64_t min_rows = 1;
  /// Inputs begin at multiples of 64 bytes, though that may take a copy: vectorised sums add in
  /// another order from elsewhere (ONNX Runtime's ReduceSum does).
  bool aligned = false;
};

/// One run of the model, as its rows see it.
struct RunInfo {
  std::uint64_t id = 0;
  std::uint64_t batch = 0;  ///< the queue's number of the batch; 0: rows of a failed one, again
  std::int64_t rows = 0;    ///< rows that requests asked for; padding not counted
  LaunchReason reason = LaunchReason::kInstanceFree;
  base::TimePoint formed;    ///< taken from the queue; assembly begins
  base::TimePoint started;   ///< the model starts
  base::TimePoint finished;  ///< the model is done
  /// Of the thread that ran it: formed to finished, less what it was kept from running if that was
  /// long. On shared cores that says nothing of the model.
  base::Duration cost{0};
};

/// Consecutive rows of a request that one run answered.
struct WorkPart {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  /// In the order of the model's outputs, each [rows, …]: views into the run's output, no copies.
  tensor::TensorList outputs;
};

/// A row that has no answer, and why.
struct RowError {
  std::int64_t row = 0;
  base::Error error;
};

/// The answer to one WorkItem. Every row is in exactly one part or one error.
struct WorkResult {
  base::RecycledVector<WorkPart> parts;  ///< by first_row
  std::vector<RowError> errors;          ///< by row
  /// Per row: its share of the runs it was part of (run time / rows of the run), scaled so that the
  /// sum over the request is at most `inference` when its runs overlapped on several instances.
  base::RecycledVector<base::Duration> row_shares;
  /// Rows of the largest run that held rows of this request.
  std::int64_t batch_size = 0;
  /// Wall time between Submit and the last result, cut in two along the request's critical path:
  /// `inference` while at least one of its runs was being assembled or run, `queue` the rest.
  base::Duration queue{0};
  base::Duration inference{0};
  base::TimePoint finished;
};

/// What a caller hands to a batcher: rows for one model, and where the answer goes.
struct WorkItem {
  /// In the order of the model's inputs, each [rows, …] with row shapes the model accepts (the
  /// caller has checked them with model::CheckInput).
  tensor::TensorList inputs;
  std::int64_t rows = 0;  ///< ≥ 1
  Isolation isolation = Isolation::kRow;
  int priority = 0;  ///< higher first
  /// Batcher::WouldAccept said yes to it before its body was read.
  bool announced = false;
  base::TimePoint deadline = base::kNever;
  /// Only explicit deadlines order and shape batches; a server's default one merely expires.
  bool deadline_is_explicit = false;
  base::CancelToken cancelled;
  std::string client;  ///< whose rows these are; empty is the shared class of the unnamed
  base::Loop* home = nullptr;
  /// Called exactly once on `home`. A Status error: the request as a whole was refused, expired or
  /// cancelled, and no row of it will be run (again). Else a WorkResult, failed rows included.
  /// In place up to 128 bytes: a front end's completion and the engine's bookkeeping fit.
  base::UniqueFunction<void(base::Result<WorkResult>), 128> done;
};

}  // namespace muster::batching
