#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "muster/engine/engine.h"

namespace muster::engine {

/// An Engine without models, threads or time, for tests of front ends: every version it was given
/// takes input "x" and answers y = 2·x, both FP32 [N, 1], in one part. Not thread-safe.
class FakeEngine : public Engine {
 public:
  explicit FakeEngine(base::Clock& clock) : registry_(clock) {}

  void Add(const std::string& name, const std::string& version) {
    auto served = std::make_shared<registry::ServedVersion>();
    served->name = name;
    served->version = version;
    const model::Dim rows{model::Dim::kDynamic, "N"};
    served->spec.inputs = {{"x", tensor::DType::kFp32, {rows, {1, ""}}}};
    served->spec.outputs = {{"y", tensor::DType::kFp32, {rows, {1, ""}}}};
    model::DeriveBatchAxis(served->spec);
    served->layout = model::DeriveLayout(served->spec);
    registry_.SetReady(served);
  }

  base::Result<ModelLease> Resolve(std::string_view model, std::string_view version) override {
    return registry_.Find(model, version);
  }

  void Predict(PredictRequest request, base::Loop* home, Completion done) override {
    home->Post([request = std::move(request), done = std::move(done)]() mutable {
      done(Answer(request));
    });
  }

  base::Status WouldAccept(const ModelLease&, std::optional<base::Duration>) override { return {}; }
  void PrepareImages(ImageRequest, base::Loop* home, ImagesDone done) override {
    home->Post([done = std::move(done)]() mutable {
      done(base::InvalidArgument("the model takes no pictures", "FIELD"));
    });
  }
  std::vector<ModelStatus> Models() const override { return {}; }
  HealthReport Health() const override { return {.ready = true}; }

 private:
  static base::Result<PredictResponse> Answer(const PredictRequest& request) {
    if (request.cancelled.stop_requested()) return base::Cancelled("the client has gone");
    if (request.sequence_id) return base::Unimplemented("no sequences");
    const auto& inputs = request.model->spec.inputs;
    if (request.inputs.size() != inputs.size()) return base::InvalidArgument("expected one input");
    MUSTER_RETURN_IF_ERROR(model::CheckInput(request.model->spec, inputs[0], request.inputs[0]));
    if (request.rows < 1 || request.inputs[0].rows() != request.rows) {
      return base::InvalidArgument("row counts differ");
    }
    tensor::Tensor y = tensor::Tensor::Allocate(tensor::DType::kFp32, {request.rows, 1});
    const auto x = request.inputs[0].data<const float>();
    for (std::size_t i = 0; i < x.size(); ++i) y.data<float>()[i] = 2 * x[i];
    PredictResponse response{request.model, {}, false};
    response.work.parts.push_back({0, request.rows, {y}});
    response.work.row_shares.assign(x.size(), base::Duration(0));
    response.work.batch_size = request.rows;
    return response;
  }

  registry::Registry registry_;
};

}  // namespace muster::engine
