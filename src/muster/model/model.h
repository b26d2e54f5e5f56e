#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::model {

/// Names a run among those in flight on one Instance; chosen by the caller.
using RunId = std::uint64_t;

/// Where a run's results go. For every Start there is exactly one OnDone and it comes last; before
/// it may come any number of OnChunk. Called on the thread of Start (synchronous backends) or on
/// one of the backend's, never two at once for one run. Must not block and must not throw.
class RunSink {
 public:
  virtual ~RunSink() = default;
  /// A part of row `row`'s answer, in the order of the model's outputs; for models that stream.
  virtual void OnChunk(RunId run, std::int64_t row, std::span<const tensor::Tensor> outputs) {
    (void)run, (void)row, (void)outputs;
  }
  /// All outputs in the order of the spec, or why the run failed:
  /// INVALID_ARGUMENT: the data may be to blame (a smaller batch may succeed);
  /// RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED: memory, device or time, whatever the data;
  /// CANCELLED: Cancel came in time; INTERNAL: the backend broke its own promise.
  virtual void OnDone(RunId run, base::Result<std::vector<tensor::Tensor>> outputs) = 0;
};

/// One copy of a model that can run: the unit of parallelism. Owned and driven by one caller at a
/// time; Cancel alone may come from another thread.
class Instance {
 public:
  virtual ~Instance() = default;
  /// Runs the model on `inputs`, in the order of the spec, each [rows, …] with the same rows (the
  /// whole tensor where the model has no batch axis). The tensors' memory is shared, not copied: it
  /// stays alive until OnDone and must not be written meanwhile. A synchronous backend calls
  /// OnDone before it returns. Never throws; every failure arrives at the sink.
  virtual void Start(RunId run, std::span<const tensor::Tensor> inputs, RunSink& sink) noexcept = 0;
  /// Asks a run to end early; it still gets its OnDone. Unknown runs are ignored. Thread-safe.
  virtual void Cancel(RunId run) noexcept = 0;
  /// Runs that may be started before the first is done; 1 for a synchronous backend.
  virtual int max_in_flight() const { return 1; }
  /// Whether every Start calls OnDone before it returns and waits for nothing but its own
  /// computation: such a run may be made on an event loop's thread.
  virtual bool completes_inline() const { return false; }
};

struct InstanceOptions {
  int threads = 1;  ///< threads of one run inside the backend
};

/// A loaded model: its interface and the maker of its instances, which share its weights.
/// Outlives its instances. NewInstance is thread-safe.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual base::Result<std::unique_ptr<Instance>> NewInstance(const InstanceOptions& options) = 0;
};

/// Where a model's bytes are. Exactly one of the two is set.
struct ModelSource {
  std::string path;                  ///< a file of ours, never from the network
  std::span<const std::byte> bytes;  ///< must live until Load returns
  /// What to call it in errors: the path's file name, or "bytes".
  std::string DisplayName() const;
};

struct LoadOptions {
  int threads = 1;  ///< of one run; fixed per loaded model in some backends
};

/// Turns files or bytes into models. One per backend; thread-safe.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;
  /// Blocks while it reads and prepares. Errors: NOT_FOUND (no such file), INVALID_ARGUMENT (not a
  /// model, truncated, unknown operator, unsupported type), RESOURCE_EXHAUSTED (memory),
  /// UNAVAILABLE (the backend's library is absent or too old).
  virtual base::Result<std::unique_ptr<Model>> Load(const ModelSource& source,
                                                    const LoadOptions& options) = 0;
};

/// Runs once and waits: for probes, command-line use and tests. `instance` must be idle.
base::Result<std::vector<tensor::Tensor>> RunAndWait(Instance& instance,
                                                     std::span<const tensor::Tensor> inputs);

}  // namespace muster::model
