#pragma once

#include <memory>
#include <span>
#include <vector>

#include "muster/base/clock.h"
#include "muster/batching/internal/bisection.h"
#include "muster/batching/internal/dispatch.h"
#include "muster/batching/internal/runner.h"
#include "muster/model/model.h"

namespace muster::batching {

/// Runs batches on one instance, one after another, and finds out who is to blame when a run fails.
/// Belongs to one thread.
class Executor {
 public:
  /// `probe`: see Batcher::Create; all borrowed but the instance.
  Executor(const model::ModelSpec& spec, std::unique_ptr<model::Instance> instance,
           std::span<const tensor::Tensor> probe, Dispatch& dispatch, base::Clock& clock,
           RunForm form = {});
  /// Until drained.
  void Work();

 private:
  struct Suspects;  // the units of a failed batch
  void Execute(const FormedBatch& batch);
  void Settle(const RunOutcome& run, std::span<const Slice> slices, Deliveries& answers);
  void Isolate(std::span<const Slice> slices, const base::Error& error);
  void RunAgain(Suspects& suspects, const std::vector<int>& units, Bisection& bisection);
  void Blame(Suspects& suspects, int unit, const base::Error& error);
  void GiveUp(Suspects& suspects, base::Error error);
  bool ProbeSucceeds(Suspects& suspects);

  std::span<const tensor::Tensor> probe_;
  Dispatch& dispatch_;
  base::Clock& clock_;
  Runner runner_;
  Seat seat_;
};

}  // namespace muster::batching
