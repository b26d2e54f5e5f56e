#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tests/allocation/counted_malloc.h"

#include "muster/model/model.h"

namespace muster {

/// Wraps a loader so that what its models allocate while they run is counted apart.
class CountingLoader : public model::ModelLoader {
 public:
  explicit CountingLoader(model::ModelLoader& loader) : loader_(loader) {}

  base::Result<std::unique_ptr<model::Model>> Load(const model::ModelSource& source,
                                                   const model::LoadOptions& options) override {
    MUSTER_ASSIGN_OR_RETURN(auto model, loader_.Load(source, options));
    return std::unique_ptr<model::Model>(std::make_unique<CountedModel>(std::move(model)));
  }

 private:
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
    explicit CountedInstance(std::unique_ptr<model::Instance> instance)
        : instance_(std::move(instance)) {}
    void Start(model::RunId run, std::span<const tensor::Tensor> inputs,
               model::RunSink& sink) noexcept override {
      const ModelRun its;
      CountedSink counted(sink);  // the backend is synchronous: nothing is called after Start
      instance_->Start(run, inputs, counted);
    }
    void Cancel(model::RunId run) noexcept override { instance_->Cancel(run); }
    bool completes_inline() const override { return instance_->completes_inline(); }

   private:
    std::unique_ptr<model::Instance> instance_;
  };

  class CountedModel : public model::Model {
   public:
    explicit CountedModel(std::unique_ptr<model::Model> model) : model_(std::move(model)) {}
    const model::ModelSpec& spec() const override { return model_->spec(); }
    base::Result<std::unique_ptr<model::Instance>> NewInstance(
        const model::InstanceOptions& options) override {
      MUSTER_ASSIGN_OR_RETURN(auto instance, model_->NewInstance(options));
      return std::unique_ptr<model::Instance>(
          std::make_unique<CountedInstance>(std::move(instance)));
    }

   private:
    std::unique_ptr<model::Model> model_;
  };

  model::ModelLoader& loader_;
};

}  // namespace muster
