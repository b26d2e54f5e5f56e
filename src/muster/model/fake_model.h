#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "muster/base/clock.h"
#include "muster/model/model.h"

namespace muster::model {

/// What a FakeModel does; change it only while no run is in flight, but for `hold`.
struct FakeModelOptions {
  /// Input "x" and output "y", both FP32 [N, width]; N fixed where fixed_batch > 0.
  std::int64_t width = 1;
  std::int64_t fixed_batch = 0;
  /// y from x, row by row; default 2·x.
  std::function<float(float)> function;
  /// A run's duration on `clock`, which it advances itself if it is a FakeClock (null: no time).
  std::function<base::Duration(std::int64_t rows)> latency;
  base::Clock* clock = nullptr;
  bool advance_fake_clock = true;
  /// Fails the run when it returns an error for its inputs ([n, width]); e.g. a marked row.
  std::function<base::Status(std::span<const float> x, std::int64_t rows)> fault;
  /// Adds the row's own index and the batch's sum to y, so that rows are not independent.
  bool mixes_rows = false;
  /// Changes y by this many steps of its last bit, given the run's rows and y's place among them:
  /// arithmetic in another order, as backends do it for other sizes.
  std::function<std::int32_t(std::int64_t rows, std::int64_t place)> last_bits;
  /// What its instances say. Off, although they do: a test that holds runs must not hold a loop.
  bool completes_inline = false;
  /// Returns this many rows too few.
  std::int64_t missing_rows = 0;
};

/// A model made of a function, for tests of everything above models. Records every run; runs can
/// be held and released to build any interleaving. Thread-safe.
class FakeModel : public Model {
 public:
  explicit FakeModel(FakeModelOptions options = {});
  ~FakeModel() override;
  const ModelSpec& spec() const override;
  base::Result<std::unique_ptr<Instance>> NewInstance(const InstanceOptions& options) override;

  /// While held, runs block inside Start until Release or Cancel.
  void Hold();
  void Release();
  /// Lets exactly `n` held runs go on.
  void ReleaseRuns(int n);
  /// Blocks until `n` runs are inside Start.
  void AwaitRunning(int n);
  struct Run {
    std::int64_t rows = 0;
    std::vector<float> x;
  };
  /// Runs that have started so far, in order.
  std::vector<Run> runs() const;
  int run_count() const;

 private:
  friend class FakeInstance;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace muster::model
