#include <benchmark/benchmark.h>
#include <random>

#include "muster/backends/onnx/internal/onnx_session.h"
#include "muster/backends/onnx/testing/onnx_testing.h"

// Our Instance beside the bare C API, in one program and on the same session options, so that the
// difference is what the wrapper costs. Inputs differ from run to run: a repeated one doubles the
// speed of a tree model (the branch predictor learns the path).

namespace muster::backends::onnx {
namespace {

using tensor::Tensor;

constexpr std::size_t kInputs = 512;

std::vector<Tensor> RandomInputs(const model::TensorSpec& spec, std::int64_t rows) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> value(0, 8);
  std::vector<std::int64_t> dims = {rows};
  for (std::size_t i = 1; i < spec.dims.size(); ++i) dims.push_back(spec.dims[i].size);
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < kInputs; ++i) {
    inputs.push_back(Tensor::Allocate(spec.dtype, *tensor::Shape::Make(dims)));
    for (float& x : inputs.back().data<float>()) x = value(random);
  }
  return inputs;
}

/// Drops what arrives.
class DroppingSink : public model::RunSink {
 public:
  void OnDone(model::RunId, base::Result<std::vector<Tensor>> outputs) override {
    benchmark::DoNotOptimize(outputs);
    failed_ = failed_ || !outputs;
  }
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

const char* const kModels[] = {"iris", "breast_cancer", "breast_cancer_mlp", "digits"};

void Finish(benchmark::State& state, const std::string& model) {
  state.SetLabel(model + ", " + std::to_string(state.range(1)) + " rows");
  state.SetItemsProcessed(state.iterations() * state.range(1));
}

/// A new tensor in every run, as of a request that runs alone.
void OurInstance(benchmark::State& state) {
  const std::string name = kModels[state.range(0)];
  const auto model = Load(Example(name));
  const auto instance = *model->NewInstance({});
  const auto inputs = RandomInputs(model->spec().inputs[0], state.range(1));
  DroppingSink sink;
  std::size_t i = 0;
  for (auto _ : state) {
    ++i;
    instance->Start(i, std::span(&inputs[i % kInputs], 1), sink);
  }
  if (sink.failed()) state.SkipWithError("a run failed");
  Finish(state, name);
}

/// The same tensor with other values in every run, as a batcher gathers them; the copy is timed.
void OurInstanceGathered(benchmark::State& state) {
  const std::string name = kModels[state.range(0)];
  const auto model = Load(Example(name));
  const auto instance = *model->NewInstance({});
  const auto inputs = RandomInputs(model->spec().inputs[0], state.range(1));
  const Tensor batch = Tensor::Allocate(inputs[0].dtype(), inputs[0].shape());
  DroppingSink sink;
  std::size_t i = 0;
  for (auto _ : state) {
    tensor::GatherRows(std::span(&inputs[i++ % kInputs], 1), batch);
    instance->Start(i, std::span(&batch, 1), sink);
  }
  if (sink.failed()) state.SkipWithError("a run failed");
  Finish(state, name);
}

/// The least a caller of the C API does: a value over the input, Run, read and release the outputs.
void BareRuntime(benchmark::State& state) {
  const std::string name = kModels[state.range(0)];
  const RuntimePtr runtime = *OpenRuntime(Library());
  const OrtApi& api = *runtime->api;
  const auto must = [&runtime](OrtStatus* status) {
    const base::Status checked = runtime->Check(status);
    MUSTER_CHECK(checked.has_value(), checked.error().message);
  };
  OrtSessionOptions* options = nullptr;
  must(api.CreateSessionOptions(&options));
  const OptionsHandle options_handle(options, {&api});
  must(api.SetIntraOpNumThreads(options, 1));
  must(api.DisableMemPattern(options));
  must(api.DisableCpuMemArena(options));
  OrtSession* session = nullptr;
  must(api.CreateSession(runtime->env, Example(name).c_str(), options, &session));
  const SessionHandle session_handle(session, {&api});
  const OrtInterface face = *ReadInterface(*runtime, session);
  const char* input_name = face.spec.inputs[0].name.c_str();
  std::vector<const char*> output_names;
  for (const auto& output : face.spec.outputs) output_names.push_back(output.name.c_str());
  const auto inputs = RandomInputs(face.spec.inputs[0], state.range(1));

  std::vector<OrtValue*> outputs(output_names.size());
  std::size_t i = 0;
  for (auto _ : state) {
    const Tensor& x = inputs[i++ % kInputs];
    const auto dims = x.shape().dims();
    OrtValue* value = nullptr;
    must(api.CreateTensorWithDataAsOrtValue(runtime->cpu, x.bytes(), x.byte_size(), dims.data(),
                                            dims.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                            &value));
    std::fill(outputs.begin(), outputs.end(), nullptr);
    must(api.Run(session, nullptr, &input_name, &value, 1, output_names.data(), outputs.size(),
                 outputs.data()));
    for (OrtValue* output : outputs) {
      void* data = nullptr;
      must(api.GetTensorMutableData(output, &data));
      benchmark::DoNotOptimize(data);
      api.ReleaseValue(output);
    }
    api.ReleaseValue(value);
  }
  Finish(state, name);
}

void Cases(benchmark::internal::Benchmark* benchmark) {
  for (const int model : {0, 1, 2, 3}) {
    for (const int rows : {1, 8, 64}) benchmark->Args({model, rows});
  }
}
BENCHMARK(BareRuntime)->Apply(Cases);
BENCHMARK(OurInstance)->Apply(Cases);
BENCHMARK(OurInstanceGathered)->Apply(Cases);

/// A map output costs a few calls of the runtime a row.
void OurInstanceWithMaps(benchmark::State& state) {
  const auto model = Load(TestModel("zipmap"));
  const auto instance = *model->NewInstance({});
  const auto inputs = RandomInputs(model->spec().inputs[0], state.range(0));
  DroppingSink sink;
  std::size_t i = 0;
  for (auto _ : state) {
    ++i;
    instance->Start(i, std::span(&inputs[i % kInputs], 1), sink);
  }
  if (sink.failed()) state.SkipWithError("a run failed");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(OurInstanceWithMaps)->Arg(1)->Arg(64);

}  // namespace
}  // namespace muster::backends::onnx
