#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muster/backends/onnx/testing/onnx_testing.h"

// What the runtime's own Python API answers, as tests/models/README.md describes it.

namespace muster::backends::onnx {
namespace {

using nlohmann::json;
using tensor::DType;
using tensor::Tensor;

/// The numbers, or strings, of nested lists; those of a map in the order of its keys.
template <class T>
void Append(std::vector<T>& out, const json& value) {
  if (value.is_structured()) {
    for (const json& item : value) Append(out, item);
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.push_back(value);
  } else if (value.is_string()) {
    const std::string text = value;
    out.push_back(static_cast<T>(text == "NaN" ? NAN : text == "Infinity" ? INFINITY : -INFINITY));
  } else {
    out.push_back(value.get<T>());
  }
}

template <class T>
std::vector<T> Flat(const json& value) {
  std::vector<T> all;
  Append(all, value);
  return all;
}

tensor::Shape ShapeOf(const json& value) {
  std::vector<std::int64_t> dims;
  for (const json* level = &value; level->is_structured(); level = &*level->begin()) {
    dims.push_back(static_cast<std::int64_t>(level->size()));
  }
  return *tensor::Shape::Make(dims);
}

Tensor FromJson(DType dtype, const json& value) {
  const tensor::Shape shape = ShapeOf(value);
  switch (dtype) {
    case DType::kFp32:
      return Tensor::Of(shape, Flat<float>(value));
    case DType::kFp64:
      return Tensor::Of(shape, Flat<double>(value));
    case DType::kInt64:
      return Tensor::Of(shape, Flat<std::int64_t>(value));
    case DType::kUint8:
      return Tensor::Of(shape, Flat<std::uint8_t>(value));
    case DType::kBool:
      return Tensor::Of(shape, Flat<bool>(value));
    case DType::kBytes:
      return Tensor::Of(shape, Flat<std::string>(value));
    default:
      MUSTER_CHECK(false, "no reference has this type");
  }
  return {};
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(got[i]));
    } else if (std::isinf(want[i])) {
      EXPECT_EQ(got[i], want[i]);
    } else {
      EXPECT_NEAR(got[i], want[i], 1e-5F * std::abs(want[i]) + 1e-7F);
    }
  }
}

void ExpectSame(const Tensor& got, const json& expected) {
  const Tensor want = FromJson(got.dtype(), expected);
  ASSERT_EQ(got.shape(), want.shape());
  if (got.dtype() == DType::kFp32) {
    ExpectNear(Values<float>(got), Values<float>(want));
  } else if (got.dtype() == DType::kBytes) {
    EXPECT_EQ(Values<std::string>(got), Values<std::string>(want));
  } else {
    EXPECT_TRUE(std::ranges::equal(std::span(got.bytes(), got.byte_size()),
                                   std::span(want.bytes(), want.byte_size())));
  }
}

class OnnxReference : public testing::Test {
 protected:
  const json models_ = json::parse(ReadFile(Root() + "/tests/models/expected.json"));

  static std::unique_ptr<model::Model> ModelNamed(const std::string& name) {
    return Load(std::filesystem::exists(Example(name)) ? Example(name) : TestModel(name));
  }
  static std::vector<Tensor> Inputs(const model::ModelSpec& spec, const json& values) {
    std::vector<Tensor> inputs;
    for (const auto& input : spec.inputs)
      inputs.push_back(FromJson(input.dtype, values[input.name]));
    return inputs;
  }
};

TEST_F(OnnxReference, AgreesOnAllRowsOfARun) {
  for (const auto& [name, expected] : models_.items()) {
    SCOPED_TRACE(name);
    const auto model = ModelNamed(name);
    const auto outputs = RunOnce(*model, Inputs(model->spec(), expected["inputs"]));
    ASSERT_TRUE(outputs) << outputs.error().message;
    for (std::size_t i = 0; i < outputs->size(); ++i) {
      const std::string& output = model->spec().outputs[i].name;
      SCOPED_TRACE(output);
      ExpectSame(outputs->at(i), expected["outputs"][output]);
    }
  }
  EXPECT_GE(models_.size(), 19u);
}

TEST_F(OnnxReference, AgreesOnRowsThatAreRunAlone) {
  for (const auto& [name, expected] : models_.items()) {
    if (!expected.contains("outputs_single")) continue;
    SCOPED_TRACE(name);
    const auto model = ModelNamed(name);
    const auto instance = *model->NewInstance({});
    const std::vector<Tensor> all = Inputs(model->spec(), expected["inputs"]);
    for (std::int64_t row = 0; row < all[0].rows(); ++row) {
      std::vector<Tensor> inputs;
      for (const Tensor& input : all) inputs.push_back(input.Rows(row, 1));
      const auto outputs = model::RunAndWait(*instance, inputs);
      ASSERT_TRUE(outputs) << outputs.error().message;
      for (std::size_t i = 0; i < outputs->size(); ++i) {
        const json& rows = expected["outputs_single"][model->spec().outputs[i].name];
        ExpectSame(outputs->at(i), json::array({rows.at(static_cast<std::size_t>(row))}));
      }
    }
  }
}

TEST_F(OnnxReference, FailsOnWhatFailsThere) {
  int failed = 0;
  for (const auto& [name, expected] : models_.items()) {
    if (!expected.contains("failing_inputs")) continue;
    const auto model = ModelNamed(name);
    for (const json& inputs : expected["failing_inputs"]) {
      EXPECT_FALSE(RunOnce(*model, Inputs(model->spec(), inputs))) << name;
      ++failed;
    }
  }
  EXPECT_GT(failed, 0);
}

}  // namespace
}  // namespace muster::backends::onnx
