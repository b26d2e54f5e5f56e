#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tests/allocation/counted_malloc.h"

#include "muster/base/clock.h"
#include "muster/base/mutex.h"
#include "muster/model/model.h"

namespace muster {

/// Wraps a loader so that what its models allocate while they run is counted apart, and so that
/// they can be held: then runs wait, but for those on the counted thread, which has others to
/// serve.
class CountingLoader : public model::ModelLoader {
 public:
  explicit CountingLoader(model::ModelLoader& loader) : loader_(loader) {}

  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource& source,
                                                   const model::LoadOptions& options) override {
    MUSTER_ASSIGN_OR_RETURN(auto model, loader_.Load(source, options));
    return std::unique_ptr<model::Model>(std::make_unique<CountedModel>(std::move(model), *this));
  }
  void Hold() {
    const base::MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    const base::MutexLock lock(mutex_);
    held_ = false;
    released_.notify_all();
  }

 private:
  void AwaitRelease() {
    base::MutexLock lock(mutex_);
    while (held_ && !ThisThreadIsCounted()) base::Wait(mutex_, released_);
  }

  class CountedSink : public model::RunSink {
   public:
    explicit CountedSink(model::RunSink& sink) : sink_(sink) {}
    void OnDone(model::RunId run, base::Result<std::vector<tensor::Tensor>> outputs) override {
      const OutOfModelRun ours;
      sink_.OnDone(run, std::move(outputs));
    }

   private:
    model::RunSink& sink_;
  };

  class CountedInstance : public model::Instance {
   public:
    CountedInstance(std::unique_ptr<model::Instance> instance, CountingLoader& loader)
        : instance_(std::move(instance)), loader_(loader) {}
    void Start(model::RunId run, std::span<const tensor::Tensor> inputs,
               model::RunSink& sink) noexcept override {
      loader_.AwaitRelease();
      const ModelRun its;
      CountedSink counted(sink);  // the backend is synchronous: nothing is called after Start
      instance_->Start(run, inputs, counted);
    }
    void Cancel(model::RunId run) noexcept override { instance_->Cancel(run); }

   private:
    std::unique_ptr<model::Instance> instance_;
    CountingLoader& loader_;
  };

  class CountedModel : public model::Model {
   public:
    CountedModel(std::unique_ptr<model::Model> model, CountingLoader& loader)
        : model_(std::move(model)), loader_(loader) {}
    const model::ModelSpec& spec() const override { return model_->spec(); }
    base::Result<std::unique_ptr<model::Instance>> NewInstance(
        const model::InstanceOptions& options) override {
      MUSTER_ASSIGN_OR_RETURN(auto instance, model_->NewInstance(options));
      return std::unique_ptr<model::Instance>(
          std::make_unique<CountedInstance>(std::move(instance), loader_));
    }

   private:
    std::unique_ptr<model::Model> model_;
    CountingLoader& loader_;
  };

  model::ModelLoader& loader_;
  base::Mutex mutex_;
  base::CondVar released_;
  bool held_ MUSTER_GUARDED_BY(mutex_) = false;
};

}  // namespace muster
