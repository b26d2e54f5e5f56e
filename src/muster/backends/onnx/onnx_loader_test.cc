#include "muster/backends/onnx/onnx_loader.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "muster/model/conformance.h"
#include "muster/model/layout.h"

namespace muster::backends::onnx {
namespace {

using base::Code;
using model::BatchAxis;
using nlohmann::json;
using tensor::DType;
using tensor::Tensor;

const std::string kRoot = MUSTER_SOURCE_DIR;
const std::string kLibrary = kRoot + "/.deps/onnxruntime/lib/libonnxruntime.so";

std::string TestModel(const std::string& name) {
  return kRoot + "/tests/models/" + name + "/1/model.onnx";
}
std::string Example(const std::string& name) {
  return kRoot + "/examples/models/" + name + "/1/model.onnx";
}

OnnxLoader& Loader() {
  static const auto loader = OnnxLoader::Open({kLibrary});
  MUSTER_CHECK(loader.has_value(), loader.error().message);
  return **loader;
}

std::unique_ptr<model::Model> Load(const std::string& path) {
  auto model = Loader().Load({.path = path, .bytes = {}}, {});
  MUSTER_CHECK(model.has_value(), model.error().message);
  return *std::move(model);
}

std::vector<char> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

base::Result<std::unique_ptr<model::Model>> LoadBytes(std::span<const char> bytes) {
  return Loader().Load({.path = "", .bytes = std::as_bytes(bytes)}, {});
}

base::Result<std::vector<Tensor>> RunOnce(model::Model& model, std::vector<Tensor> inputs) {
  auto instance = *model.NewInstance({});
  return model::RunAndWait(*instance, inputs);
}

}  // namespace
}  // namespace muster::backends::onnx

namespace muster::model {
INSTANTIATE_TEST_SUITE_P(
    Onnx, ModelConformance,
    testing::Values(ModelUnderTest{
        [] { return backends::onnx::Load(backends::onnx::TestModel("doubling")); },
        [] { return backends::onnx::Load(backends::onnx::TestModel("fails_on_marked_row")); },
        [] { return backends::onnx::Load(backends::onnx::TestModel("fixed_batch")); }}));
}  // namespace muster::model

namespace muster::backends::onnx {
namespace {

TEST(OnnxLoader, SaysWhichRuntimeItOpened) { EXPECT_EQ(Loader().RuntimeVersion(), "1.29.0"); }

TEST(OnnxLoader, SaysWhatToDoWhereTheLibraryIsAbsent) {
  auto loader = OnnxLoader::Open({"/nowhere/libonnxruntime.so"});
  ASSERT_FALSE(loader);
  EXPECT_EQ(loader.error().code, Code::kUnavailable);
  EXPECT_NE(loader.error().message.find("tools/fetch-onnxruntime"), std::string::npos);
}

TEST(OnnxLoader, RefusesALibraryThatIsSomethingElse) {
  auto loader = OnnxLoader::Open({"libz.so.1"});
  ASSERT_FALSE(loader);
  EXPECT_NE(loader.error().message.find("is not ONNX Runtime"), std::string::npos);
}

TEST(OnnxLoader, RefusesALibraryThatIsTooOldAndNamesItsVersion) {
  auto loader = OnnxLoader::Open({MUSTER_OLD_RUNTIME});
  ASSERT_FALSE(loader);
  EXPECT_NE(loader.error().message.find("ONNX Runtime 1.2.3 is too old"), std::string::npos)
      << loader.error().message;
}

TEST(OnnxModel, ReadsNamesTypesAndSymbolicAxes) {
  const auto model = Load(Example("iris"));
  const model::ModelSpec& spec = model->spec();
  ASSERT_EQ(spec.inputs.size(), 1u);
  EXPECT_EQ(spec.inputs[0].name, "features");
  EXPECT_EQ(spec.inputs[0].ToString(), "FP32 [N, 4]");
  ASSERT_EQ(spec.outputs.size(), 2u);
  EXPECT_EQ(spec.outputs[0].ToString(), "INT64 [N]");
  EXPECT_EQ(spec.outputs[1].ToString(), "FP32 [N, 3]");
  EXPECT_EQ(spec.batch_axis, BatchAxis::kDynamic);
}

TEST(OnnxModel, ReadsTwoNamedInputs) {
  const auto model = Load(TestModel("two_inputs"));
  auto outputs =
      RunOnce(*model, {Tensor::Of<float>({2, 1}, {4, 8}), Tensor::Of<float>({2, 2}, {4, 8, 1, 3})});
  ASSERT_TRUE(outputs);
  const auto score = (*outputs)[0].data<const float>();
  EXPECT_FLOAT_EQ(score[0], 5);
  EXPECT_FLOAT_EQ(score[1], 5);
}

TEST(OnnxModel, TakesAndGivesStringsWithAnyBytes) {
  const auto model = Load(TestModel("string_input"));
  const std::string odd("a\0b", 3);
  auto outputs = RunOnce(*model, {Tensor::Of<std::string>({3, 1}, {"green", odd, ""})});
  ASSERT_TRUE(outputs) << outputs.error().message;
  const int code = model->spec().FindOutput("code");
  const int echo = model->spec().FindOutput("echo");
  EXPECT_EQ((*outputs)[static_cast<std::size_t>(code)].data<const std::int64_t>()[0], 1);
  const auto strings = (*outputs)[static_cast<std::size_t>(echo)].data<const std::string>();
  EXPECT_EQ(strings[0], "green");
  EXPECT_EQ(strings[1], odd);
  EXPECT_EQ(strings[2], "");
}

TEST(OnnxModel, TurnsAZipmapIntoPlainProbabilitiesWithLabels) {
  for (const std::string name : {"zipmap", "zipmap_strings"}) {
    const auto model = Load(TestModel(name));
    const model::ModelSpec& spec = model->spec();
    const int p = spec.FindOutput("output_probability");
    ASSERT_GE(p, 0);
    EXPECT_EQ(spec.outputs[static_cast<std::size_t>(p)].ToString(), "FP32 [N, 3]");
    EXPECT_EQ(spec.labels.size(), 3u);
    EXPECT_EQ(model::DeriveLayout(spec).probabilities, p);
    auto outputs =
        RunOnce(*model, {Tensor::Of<float>({2, 4}, {5.1F, 3.5F, 1.4F, 0.2F, 6.7F, 3, 5.2F, 2.3F})});
    ASSERT_TRUE(outputs);
    const auto values = (*outputs)[static_cast<std::size_t>(p)].data<const float>();
    ASSERT_EQ(values.size(), 6u);
    EXPECT_NEAR(values[0] + values[1] + values[2], 1, 1e-5);
    EXPECT_GT(values[0], 0.9F);
    EXPECT_GT(values[5], 0.9F);
  }
}

TEST(OnnxModel, KnowsAFixedBatch) {
  EXPECT_EQ(Load(TestModel("fixed_batch"))->spec().fixed_batch, 4);
  EXPECT_EQ(Load(TestModel("fixed_one"))->spec().fixed_batch, 1);
}

TEST(OnnxModel, LoadsFromBytesAsFromAFile) {
  const std::vector<char> bytes = ReadFile(Example("iris"));
  auto model = LoadBytes(bytes);
  ASSERT_TRUE(model) << model.error().message;
  const Tensor row = Tensor::Of<float>({1, 4}, {5.1F, 3.5F, 1.4F, 0.2F});
  auto a = RunOnce(**model, {row});
  auto b = RunOnce(*Load(Example("iris")), {row});
  EXPECT_TRUE(std::ranges::equal((*a)[1].data<const float>(), (*b)[1].data<const float>()));
}

TEST(OnnxModel, NamesWhatIsWrongWithAFileAndNeverWhereItIs) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("muster_onnx_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "empty.onnx");
  std::ofstream(folder / "noise.onnx") << "this is not a model";
  mkfifo((folder / "fifo.onnx").c_str(), 0600);
  const auto error = [&](const char* name) {
    auto model = Loader().Load({.path = (folder / name).string(), .bytes = {}}, {});
    EXPECT_FALSE(model);
    return model.error();
  };
  EXPECT_EQ(error("absent.onnx").code, Code::kNotFound);
  EXPECT_EQ(error("empty.onnx").message, "empty.onnx: the file is empty");
  EXPECT_EQ(error("fifo.onnx").message, "fifo.onnx: not a regular file");
  EXPECT_EQ(error("noise.onnx").code, Code::kInvalidArgument);
  EXPECT_TRUE(error("noise.onnx").message.starts_with("noise.onnx: not a model"));
  for (const char* name : {"absent.onnx", "noise.onnx"}) {
    EXPECT_EQ(error(name).message.find('/'), std::string::npos) << error(name).message;
  }
  std::filesystem::remove_all(folder);
}

TEST(OnnxModel, RefusesATruncatedModelAtEveryPercent) {
  const std::vector<char> bytes = ReadFile(Example("breast_cancer_mlp"));
  for (std::size_t percent = 1; percent < 100; ++percent) {
    auto model = LoadBytes(std::span(bytes).first(bytes.size() * percent / 100));
    // Protobuf has no end mark: a cut between fields may leave a smaller, still valid graph.
    if (model) continue;
    EXPECT_EQ(model.error().message.find('/'), std::string::npos) << model.error().message;
  }
}

TEST(OnnxModel, CancelsARunAndRunsAgain) {
  const auto model = Load(TestModel("slow"));
  const auto instance = *model->NewInstance({});
  model::CountingSink sink;
  const std::vector<Tensor> inputs = {Tensor::Of<float>({1, 1}, {1})};
  {
    // The run may not have begun when Cancel is first called, so it is asked until it ends.
    std::atomic<bool> done{false};
    std::jthread canceller([&] {
      while (!done) instance->Cancel(1);
    });
    instance->Start(1, inputs, sink);
    done = true;
  }
  EXPECT_EQ(sink.results.at(0).error().code, Code::kCancelled);
  instance->Start(2, inputs, sink);
  EXPECT_TRUE(sink.results.at(1)) << sink.results.at(1).error().message;
}

template <class T>
void Append(std::vector<T>& out, const json& value) {
  if (value.is_array()) {
    for (const json& item : value) Append(out, item);
  } else if (value.is_string() && std::is_floating_point_v<T>) {
    const std::string text = value;
    out.push_back(static_cast<T>(text == "NaN" ? NAN : text == "Infinity" ? INFINITY : -INFINITY));
  } else if constexpr (!std::is_same_v<T, std::string>) {
    out.push_back(value.is_boolean() ? static_cast<T>(value.get<bool>()) : value.get<T>());
  }
}

template <class T>
Tensor Numbers(const tensor::Shape& shape, const json& value) {
  std::vector<T> all;
  Append(all, value);
  return Tensor::Of<T>(shape, all);
}

Tensor FromJson(const model::TensorSpec& spec, const json& value) {
  std::vector<std::int64_t> dims;
  for (const json* level = &value; level->is_array(); level = &level->at(0)) {
    dims.push_back(static_cast<std::int64_t>(level->size()));
  }
  const tensor::Shape shape = *tensor::Shape::Make(dims);
  switch (spec.dtype) {
    case DType::kFp32:
      return Numbers<float>(shape, value);
    case DType::kFp64:
      return Numbers<double>(shape, value);
    case DType::kInt64:
      return Numbers<std::int64_t>(shape, value);
    case DType::kUint8:
      return Numbers<std::uint8_t>(shape, value);
    case DType::kBool: {
      const Tensor t = Tensor::Allocate(DType::kBool, shape);
      std::vector<std::uint8_t> all;
      Append(all, value);
      for (std::size_t i = 0; i < all.size(); ++i) t.data<bool>()[i] = all[i] != 0;
      return t;
    }
    default: {
      std::vector<std::string> all;
      for (const json& item : value) all.push_back(item.is_array() ? item.at(0) : item);
      return Tensor::Of<std::string>(shape, all);
    }
  }
}

void ExpectClose(const Tensor& got, const json& expected, const std::string& where) {
  std::vector<double> want;
  if (got.dtype() == DType::kFp32) {
    Append(want, expected);
    const auto values = got.data<const float>();
    ASSERT_EQ(values.size(), want.size()) << where;
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (std::isfinite(want[i])) {
        EXPECT_NEAR(values[i], want[i], 1e-5 * std::abs(want[i]) + 1e-7) << where;
      } else {
        EXPECT_EQ(std::isnan(values[i]), std::isnan(want[i])) << where;
      }
    }
  } else if (got.dtype() == DType::kInt64) {
    std::vector<std::int64_t> integers;
    Append(integers, expected);
    EXPECT_TRUE(std::ranges::equal(got.data<const std::int64_t>(), integers)) << where;
  }
}

TEST(OnnxModel, AgreesWithTheReferenceOnEveryModel) {
  std::ifstream in(kRoot + "/tests/models/expected.json");
  const json all = json::parse(in);
  int models = 0;
  for (const auto& [name, whole] : all.items()) {
    const std::string path =
        std::filesystem::exists(Example(name)) ? Example(name) : TestModel(name);
    const auto model = Load(path);
    std::vector<Tensor> inputs;
    for (const auto& spec : model->spec().inputs)
      inputs.push_back(FromJson(spec, whole["inputs"][spec.name]));
    auto outputs = RunOnce(*model, inputs);
    ASSERT_TRUE(outputs) << name << ": " << outputs.error().message;
    for (std::size_t i = 0; i < outputs->size(); ++i) {
      const auto& spec = model->spec().outputs[i];
      const json& expected = whole["outputs"][spec.name];
      // Maps were checked above; their JSON has another form.
      if (expected.is_array() && !expected.empty() && expected[0].is_object()) continue;
      ExpectClose((*outputs)[i], expected, name + "." + spec.name);
    }
    ++models;
  }
  EXPECT_GE(models, 15);
}

}  // namespace
}  // namespace muster::backends::onnx
