#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/fake_loop.h"
#include "muster/batching/batcher.h"
#include "muster/batching/fake_device.h"
#include "muster/model/fake_model.h"
#include "muster/model/model.h"
#include "muster/tensor/tensor.h"

// For tests of the batcher on fake time, loops, devices and models.
namespace muster::batching {

/// A model of any interface, made of a function of all its inputs.
class FunctionModel : public model::Model {
 public:
  using Tensors = std::vector<tensor::Tensor>;
  /// What a run does, and what its instance says it does.
  enum class Completes { kInline, kLater, kLaterThoughItSaysInline };
  using Function = std::function<base::Result<Tensors>(std::span<const tensor::Tensor>)>;

  FunctionModel(model::ModelSpec spec, Function function, Completes completes = Completes::kInline)
      : spec_(std::move(spec)), function_(std::move(function)), completes_(completes) {
    model::DeriveBatchAxis(spec_);
  }
  const model::ModelSpec& spec() const override { return spec_; }
  base::Result<std::unique_ptr<model::Instance>> NewInstance(
      const model::InstanceOptions&) override {
    return std::unique_ptr<model::Instance>(std::make_unique<Instance>(*this));
  }

 private:
  class Instance : public model::Instance {
   public:
    explicit Instance(FunctionModel& model) : model_(model) {}
    void Start(model::RunId run, std::span<const tensor::Tensor> inputs,
               model::RunSink& sink) noexcept override {
      if (model_.completes_ == Completes::kInline)
        return sink.OnDone(run, model_.function_(inputs));
      backend_ = std::jthread([this, run, copy = Tensors(inputs.begin(), inputs.end()), &sink] {
        sink.OnDone(run, model_.function_(copy));
      });
    }
    void Cancel(model::RunId) noexcept override {}
    bool completes_inline() const override { return model_.completes_ != Completes::kLater; }

   private:
    FunctionModel& model_;
    std::jthread backend_;
  };

  model::ModelSpec spec_;
  Function function_;
  Completes completes_;
};

/// What came of a request; filled in by running the loop.
struct Answer {
  std::optional<base::Result<WorkResult>> result;
  int times = 0;

  bool done() const { return result.has_value(); }
  /// Values of the only FP32 output by row; error rows are NaN-free holes that tests ask for apart.
  std::vector<float> values() const {
    std::vector<float> values;
    for (const WorkPart& part : (*result)->parts) {
      const auto y = part.outputs.at(0).data<const float>();
      values.insert(values.end(), y.begin(), y.end());
    }
    return values;
  }
  std::string error() const { return result->error().ToString(); }
};
using AnswerPtr = std::shared_ptr<Answer>;

/// A batcher over a FakeModel (y = 2x) with everything around it.
class Bench {
 public:
  explicit Bench(BatcherOptions options = {}, model::FakeModelOptions model_options = {})
      : Bench(std::move(options), [&] {
          model_options.clock = &clock;
          return std::make_unique<model::FakeModel>(std::move(model_options));
        }) {}
  template <class MakeModel>
    requires std::is_invocable_v<MakeModel>
  Bench(BatcherOptions options, MakeModel&& make)
      : model_(make()), waiters_(options.instances + 1) {
    std::vector<tensor::Tensor> probe;
    if (dynamic_cast<model::FakeModel*>(model_.get()) != nullptr) probe = {Rows({0.5f})};
    const model::ModelSpec& spec = model_->spec();
    if (spec.batch_axis == model::BatchAxis::kFixed) {
      probe = {Rows(std::vector<float>(static_cast<std::size_t>(spec.fixed_batch), 0.5f))};
    }
    batcher = Batcher::Create(*model_, std::move(probe), options, device, clock).value();
    AwaitIdle();
  }

  model::FakeModel& fake() { return dynamic_cast<model::FakeModel&>(*model_); }
  /// Blocks until every executor sleeps.
  void AwaitIdle() { clock.AwaitWaiters(waiters_); }

  static tensor::Tensor Rows(const std::vector<float>& values) {
    return tensor::Tensor::Of<float>({static_cast<std::int64_t>(values.size()), 1}, values);
  }
  /// One input of one column.
  WorkItem Item(const std::vector<float>& values) {
    WorkItem item;
    item.inputs = {Rows(values)};
    item.rows = static_cast<std::int64_t>(values.size());
    return item;
  }
  AnswerPtr Submit(WorkItem item) {
    auto answer = std::make_shared<Answer>();
    item.home = &loop;
    item.done = [answer](base::Result<WorkResult> result) {
      answer->result = std::move(result);
      ++answer->times;
    };
    batcher->Submit(std::move(item));
    return answer;
  }
  AnswerPtr Submit(const std::vector<float>& values) { return Submit(Item(values)); }
  /// Runs the loop until the answer is there.
  void Await(const AnswerPtr& answer) {
    while (!answer->done()) loop.AwaitAndRun();
  }
  void Await(const std::vector<AnswerPtr>& answers) {
    for (const AnswerPtr& answer : answers) Await(answer);
  }
  /// Occupies an instance: submits a row and waits until it is inside the (held) model.
  AnswerPtr Occupy() {
    fake().Hold();
    AnswerPtr answer = Submit({-1});
    fake().AwaitRunning(1);
    return answer;
  }
  std::vector<std::int64_t> RunSizes() {
    std::vector<std::int64_t> sizes;
    for (const auto& run : fake().runs()) sizes.push_back(run.rows);
    return sizes;
  }

  base::FakeClock clock;
  base::FakeLoop loop{clock};
  FakeDevice device;

 private:
  std::unique_ptr<model::Model> model_;
  int waiters_;

 public:
  std::unique_ptr<Batcher> batcher;  // last: drains before the rest goes
};

inline BatcherOptions AdaptiveOptions(std::int64_t max_batch_size, int instances = 1) {
  BatcherOptions options;
  options.policy.max_batch_size = max_batch_size;
  options.instances = instances;
  options.max_queue_rows = 1000;
  return options;
}
inline BatcherOptions WindowOptions(std::int64_t max_batch_size, std::chrono::microseconds wait,
                                    int instances = 1) {
  BatcherOptions options = AdaptiveOptions(max_batch_size, instances);
  options.policy.kind = PolicyKind::kWindow;
  options.policy.max_wait = wait;
  return options;
}

}  // namespace muster::batching
