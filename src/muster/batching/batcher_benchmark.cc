#include <benchmark/benchmark.h>
#include <memory>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/fake_loop.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/batcher.h"
#include "muster/batching/device.h"
#include "muster/batching/internal/queue_test_support.h"
#include "muster/model/model.h"

// What batching itself costs: everything between Submit and `done` but the model, which takes no
// time. See also docs/batching.md, "Handing work over".

namespace muster::batching {
namespace {

using tensor::DType;
using tensor::Tensor;

/// y = one constant per row, from a buffer made beforehand: a run costs next to nothing.
class InstantModel : public model::Model {
 public:
  InstantModel() {
    spec_.inputs = {{"x", DType::kFp32, {{}, {4, ""}}}};
    spec_.outputs = {{"y", DType::kFp32, {{}, {1, ""}}}};
    model::DeriveBatchAxis(spec_);
  }
  const model::ModelSpec& spec() const override { return spec_; }
  base::Result<std::unique_ptr<model::Instance>> NewInstance(
      const model::InstanceOptions&) override {
    return std::unique_ptr<model::Instance>(std::make_unique<Instance>());
  }

 private:
  class Instance : public model::Instance {
   public:
    void Start(model::RunId run, std::span<const Tensor> inputs,
               model::RunSink& sink) noexcept override {
      sink.OnDone(run, std::vector<Tensor>{outputs_.Rows(0, inputs[0].rows())});
    }
    void Cancel(model::RunId) noexcept override {}

   private:
    Tensor outputs_ = Tensor::Of<float>({4096, 1}, std::vector<float>(4096, 7.0f));
  };
  model::ModelSpec spec_;
};

/// Pushes and pops `range(0)` requests of one row: time per request.
void QueuePushPop(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  BatchQueue queue({.max_rows = 1 << 20}, Adaptive(1 << 20));
  std::vector<PendingPtr> requests;
  for (std::size_t i = 0; i < n; ++i) {
    requests.push_back(
        Request({.deadline = At(std::chrono::hours(1)), .deadline_is_explicit = false}));
  }
  for (auto _ : state) {
    for (const PendingPtr& request : requests) {
      request->taken = 0;
      if (!queue.Push(request, kStart)) state.SkipWithError("refused");
    }
    const FormedBatch batch = queue.PopReady(kStart, nullptr);
    if (batch.rows != state.range(0)) state.SkipWithError("not all were taken");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(QueuePushPop)->Arg(1)->Arg(8)->Arg(64)->Arg(512);

/// As QueuePushPop with explicit deadlines in random order: what ordering by deadline costs.
void QueuePushPopByDeadline(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  BatchQueue queue({.max_rows = 1 << 20}, Adaptive(1 << 20));
  std::vector<PendingPtr> requests;
  for (std::size_t i = 0; i < n; ++i) {
    requests.push_back(Request({.deadline = At(std::chrono::microseconds(1 + i * 7919 % 10007))}));
  }
  for (auto _ : state) {
    for (const PendingPtr& request : requests) {
      request->taken = 0;
      if (!queue.Push(request, kStart)) state.SkipWithError("refused");
    }
    benchmark::DoNotOptimize(queue.PopReady(kStart, nullptr));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(QueuePushPopByDeadline)->Arg(8)->Arg(64)->Arg(512);

/// Keeps `range(0)` requests in flight from one loop: at 1, the time is that of a round trip by way
/// of an executor thread and back; at more, that per request while batches form by themselves.
void SubmitToDone(benchmark::State& state) {
  const auto in_flight = state.range(0);
  InstantModel model;
  const auto device = MakeFairDevice(1);
  BatcherOptions options;
  options.policy.max_batch_size = 512;
  options.max_queue_rows = 4096;
  const auto batcher = Batcher::Create(model, {}, options, *device, base::RealClock()).value();
  base::FakeLoop loop(base::RealClock());
  const Tensor input = Tensor::Of<float>({1, 4}, {1, 2, 3, 4});
  std::int64_t waiting = 0, wrong = 0;
  const auto submit = [&] {
    WorkItem item;
    item.inputs = {input};
    item.rows = 1;
    item.deadline = base::RealClock().Now() + std::chrono::seconds(30);
    item.home = &loop;
    item.done = [&](base::Result<WorkResult> result) {
      --waiting;
      if (!result || result->parts[0].outputs[0].data<const float>()[0] != 7.0f) ++wrong;
    };
    ++waiting;
    batcher->Submit(std::move(item));
  };
  for (auto _ : state) {
    submit();
    while (waiting >= in_flight) loop.AwaitAndRun();
  }
  while (waiting > 0) loop.AwaitAndRun();
  if (wrong > 0) state.SkipWithError("wrong answers");
  const BatcherSnapshot snapshot = batcher->Snapshot();
  state.SetItemsProcessed(state.iterations());
  state.counters["rows_per_run"] = snapshot.batch_rows.mean();
  state.counters["wakeups_per_request"] =
      static_cast<double>(snapshot.wakeups) / static_cast<double>(snapshot.requests);
}
BENCHMARK(SubmitToDone)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->UseRealTime();

}  // namespace
}  // namespace muster::batching
