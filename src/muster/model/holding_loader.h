#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/model/model.h"

namespace muster::model {

/// Wraps a loader so that tests can hold the instances of its real models: while held, runs wait
/// inside Start. Thread-safe.
class HoldingLoader : public ModelLoader {
 public:
  explicit HoldingLoader(ModelLoader& loader) : loader_(loader) {}

  void Hold() {
    base::MutexLock lock(gate_->mutex);
    gate_->held = true;
  }
  void Release() {
    base::MutexLock lock(gate_->mutex);
    gate_->held = false;
    gate_->changed.notify_all();
  }
  /// Blocks until `n` runs wait.
  void AwaitHeld(int n) {
    base::MutexLock lock(gate_->mutex);
    while (gate_->waiting < n) base::Wait(gate_->mutex, gate_->changed);
  }

  base::Result<std::unique_ptr<Model>> Load(const ModelSource& source,
                                            const LoadOptions& options) override {
    MUSTER_ASSIGN_OR_RETURN(auto model, loader_.Load(source, options));
    return std::unique_ptr<Model>(std::make_unique<HeldModel>(std::move(model), gate_));
  }

 private:
  struct Gate {
    base::Mutex mutex;
    base::CondVar changed;
    bool held MUSTER_GUARDED_BY(mutex) = false;
    int waiting MUSTER_GUARDED_BY(mutex) = 0;
  };

  class HeldInstance : public Instance {
   public:
    HeldInstance(std::unique_ptr<Instance> instance, std::shared_ptr<Gate> gate)
        : instance_(std::move(instance)), gate_(std::move(gate)) {}
    void Start(RunId run, std::span<const tensor::Tensor> inputs, RunSink& sink) noexcept override {
      {
        base::MutexLock lock(gate_->mutex);
        ++gate_->waiting;
        gate_->changed.notify_all();
        while (gate_->held) base::Wait(gate_->mutex, gate_->changed);
        --gate_->waiting;
      }
      instance_->Start(run, inputs, sink);
    }
    void Cancel(RunId run) noexcept override { instance_->Cancel(run); }

   private:
    std::unique_ptr<Instance> instance_;
    std::shared_ptr<Gate> gate_;
  };

  class HeldModel : public Model {
   public:
    HeldModel(std::unique_ptr<Model> model, std::shared_ptr<Gate> gate)
        : model_(std::move(model)), gate_(std::move(gate)) {}
    const ModelSpec& spec() const override { return model_->spec(); }
    base::Result<std::unique_ptr<Instance>> NewInstance(const InstanceOptions& options) override {
      MUSTER_ASSIGN_OR_RETURN(auto instance, model_->NewInstance(options));
      return std::unique_ptr<Instance>(std::make_unique<HeldInstance>(std::move(instance), gate_));
    }

   private:
    std::unique_ptr<Model> model_;
    std::shared_ptr<Gate> gate_;
  };

  ModelLoader& loader_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

}  // namespace muster::model
