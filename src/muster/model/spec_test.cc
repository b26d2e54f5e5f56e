#include "muster/model/spec.h"

#include <gtest/gtest.h>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

const Dim kRows{Dim::kDynamic, "N"};

ModelSpec Spec(std::vector<std::vector<Dim>> inputs) {
  ModelSpec spec;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    spec.inputs.push_back({"x" + std::to_string(i), DType::kFp32, inputs[i]});
  }
  DeriveBatchAxis(spec);
  return spec;
}

TEST(ModelSpec, HasADynamicBatchWhereAxis0OfAllInputsIs) {
  EXPECT_EQ(Spec({{kRows, {3}}, {kRows}}).batch_axis, BatchAxis::kDynamic);
}

TEST(ModelSpec, HasAFixedBatchWhereAxis0OfAllInputsIsOneNumber) {
  const ModelSpec spec = Spec({{{4}, {3}}, {{4}}});
  EXPECT_EQ(spec.batch_axis, BatchAxis::kFixed);
  EXPECT_EQ(spec.fixed_batch, 4);
}

TEST(ModelSpec, HasNoBatchWhereInputsDisagreeOrAreScalars) {
  EXPECT_EQ(Spec({{{4}}, {{5}}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Spec({{kRows}, {{5}}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Spec({{}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Spec({}).batch_axis, BatchAxis::kNone);
}

TEST(ModelSpec, WritesASpecAsPeopleReadIt) {
  EXPECT_EQ((TensorSpec{"x", DType::kFp32, {kRows, {3}, {Dim::kDynamic, ""}}}).ToString(),
            "FP32 [N, 3, ?]");
}

TEST(CheckInput, AcceptsRowsThatFitAndAnyExtentOfADynamicAxis) {
  const ModelSpec spec = Spec({{kRows, {Dim::kDynamic, "L"}}});
  EXPECT_TRUE(CheckInput(spec, spec.inputs[0], Tensor::Allocate(DType::kFp32, {2, 9})));
}

TEST(CheckInput, SaysWhatWasExpectedAndWhatCame) {
  const ModelSpec spec = Spec({{kRows, {3}}});
  const auto message = [&](const Tensor& t) {
    return CheckInput(spec, spec.inputs[0], t).error().message;
  };
  EXPECT_EQ(message(Tensor::Allocate(DType::kFp32, {2, 4})),
            "input `x0`: expected shape [N, 3], got [2, 4]");
  EXPECT_EQ(message(Tensor::Allocate(DType::kFp32, {2})),
            "input `x0`: expected shape [N, 3], got [2]");
  EXPECT_EQ(message(Tensor::Allocate(DType::kInt64, {2, 3})),
            "input `x0`: expected FP32, got INT64");
}

TEST(CheckInput, TakesTheWholeTensorAsARowWhereThereIsNoBatchAxis) {
  const ModelSpec spec = Spec({{{4}}, {{5}}});
  EXPECT_TRUE(CheckInput(spec, spec.inputs[0], Tensor::Allocate(DType::kFp32, {1, 4})));
  EXPECT_FALSE(CheckInput(spec, spec.inputs[0], Tensor::Allocate(DType::kFp32, {4})));
}

}  // namespace
}  // namespace muster::model
