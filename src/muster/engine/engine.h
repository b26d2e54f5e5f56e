#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/cancellation.h"
#include "muster/base/clock.h"
#include "muster/base/function.h"
#include "muster/base/loop.h"
#include "muster/base/result.h"
#include "muster/batching/batcher.h"
#include "muster/batching/proof.h"
#include "muster/batching/work.h"
#include "muster/features/image/image_plan.h"
#include "muster/model/layout.h"
#include "muster/registry/circuit_breaker.h"
#include "muster/registry/registry.h"
#include "muster/tensor/tensor.h"

namespace muster::engine {

// The front ends know this header and nothing below it.
using batching::Isolation;
using registry::ModelLease;
using PredictResult = batching::WorkResult;
using EncodedPicture = features::image::Encoded;
using PictureFormat = features::image::Format;

/// Rows for one model version.
struct PredictRequest {
  ModelLease model;
  /// In the order of the model's inputs, each [rows, …] (checked by the engine).
  tensor::TensorList inputs;
  std::int64_t rows = 0;  ///< ≥ 1
  Isolation isolation = Isolation::kRow;
  int priority = 0;  ///< higher first
  /// Time left, counted from Predict; none: the server's default, which never shapes batches.
  std::optional<base::Duration> timeout;
  /// What that, and the default, is counted from instead, for requests of which one deadline holds.
  std::optional<base::TimePoint> since;
  bool announced = false;  ///< WouldAccept said yes to it
  base::CancelToken cancelled;
  std::string client_id;                   ///< token id; empty: unnamed
  std::optional<std::string> sequence_id;  ///< refused until a model keeps sequences
  std::optional<std::string> cache_key;
};

struct PredictResponse {
  ModelLease model;
  PredictResult work;
  bool cold_start = false;  ///< the first prediction of this version since it was loaded
};

using Completion = base::UniqueFunction<void(base::Result<PredictResponse>)>;

/// Pictures for one model version.
struct ImageRequest {
  ModelLease model;
  std::vector<EncodedPicture> pictures;   ///< ≥ 1
  std::shared_ptr<const void> owner;      ///< of their bytes; let go on the loop
  std::optional<base::Duration> timeout;  ///< as in PredictRequest
  std::optional<base::TimePoint> since;
  base::CancelToken cancelled;
};

/// Rows for Predict: those of the pictures that could be read, in their order.
struct PreparedImages {
  tensor::TensorList inputs;  ///< empty where there are no rows
  std::int64_t rows = 0;
  std::vector<base::Status> statuses;  ///< one a picture
};

using ImagesDone = base::UniqueFunction<void(base::Result<PreparedImages>)>;

/// Counters and state of one model version, for /models, /stats and /metrics.
struct ModelStatus {
  std::string name;
  std::string version;
  registry::VersionState state = registry::VersionState::kLoading;
  std::string reason;
  base::WallTime changed_at;
  bool is_default = false;
  // The rest only where state is READY.
  ModelLease lease;
  bool batchable = false;
  std::string batchable_reason;  ///< why not
  batching::BatchInvariance invariance = batching::BatchInvariance::kNone;
  std::int64_t compared_rows = 0;    ///< rows of the largest run in which bits were compared
  bool invariance_enforced = false;  ///< by the configuration
  std::uint64_t file_bytes = 0;
  std::uint64_t request_count = 0;
  std::uint64_t error_count = 0;  ///< requests refused, expired or with a failed row
  registry::BreakerSnapshot breaker;
  batching::BatcherSnapshot batcher;
  telemetry::HistogramSnapshot latency;  ///< ns from Predict to its completion
  std::uint64_t pictures = 0;            ///< that were asked to be made rows
  std::uint64_t pictures_refused = 0;    ///< and could not be read
};

struct HealthReport {
  bool live = true;
  bool ready = false;  ///< false while loading or draining
  bool draining = false;
  bool degraded = false;  ///< a model failed to load, a breaker is not closed, or none is ready
  std::vector<std::string> problems;
};

/// What answers predictions. Thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;
  /// The version that shall answer; see Registry::Find for empty names and errors.
  virtual base::Result<ModelLease> Resolve(std::string_view model, std::string_view version) = 0;
  /// Asynchronous: returns at once; `done` is called exactly once on `home`, never inline. Errors
  /// are those of Batcher::Submit, plus INVALID_ARGUMENT for inputs the model does not take,
  /// UNIMPLEMENTED for sequences, UNAVAILABLE "BREAKER_OPEN" (with retry_after) where the version
  /// has failed too often of late, and UNAVAILABLE "DRAINING" during shutdown. Retryable:
  /// UNAVAILABLE, RESOURCE_EXHAUSTED.
  virtual void Predict(PredictRequest request, base::Loop* home, Completion done) = 0;
  /// What Predict would say now of one row with `timeout` that came before its body was read: OK,
  /// or the error it would be refused with, which then counts as that. What is accepted shall come
  /// soon, as `announced`: until then it counts as waiting for those that are asked about.
  virtual base::Status WouldAccept(const ModelLease& model,
                                   std::optional<base::Duration> timeout) = 0;
  /// Decodes, scales and normalises pictures as the model's configuration says, in parallel and off
  /// the caller's thread; `done` is called exactly once on `home`, never inline. A picture that
  /// cannot be read has its own status. Errors of the whole: INVALID_ARGUMENT "FIELD" (the model
  /// takes no pictures), RESOURCE_EXHAUSTED "QUEUE_FULL", UNAVAILABLE "OVERLOADED" (retry_after)
  /// and "DRAINING", DEADLINE_EXCEEDED "EXPIRED", CANCELLED.
  virtual void PrepareImages(ImageRequest request, base::Loop* home, ImagesDone done) = 0;
  virtual std::vector<ModelStatus> Models() const = 0;
  virtual HealthReport Health() const = 0;
};

}  // namespace muster::engine
