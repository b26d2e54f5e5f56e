#include "muster/model/spec.h"

#include <gtest/gtest.h>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

const Dim kRows{Dim::kDynamic, "N"};

ModelSpec Taking(std::vector<std::vector<Dim>> inputs) {
  ModelSpec spec;
  for (auto& dims : inputs) {
    spec.inputs.push_back({"x" + std::to_string(spec.inputs.size()), DType::kFp32, dims});
  }
  DeriveBatchAxis(spec);
  return spec;
}

Tensor Value(const tensor::Shape& shape) { return Tensor::Allocate(DType::kFp32, shape); }

std::string WhyNot(const ModelSpec& spec, const Tensor& value) {
  const base::Status status = CheckInput(spec, spec.inputs[0], value);
  return status ? "" : status.error().ToString();
}

TEST(TensorSpec, ShowsItsTypeAndAxes) {
  EXPECT_EQ((TensorSpec{"x", DType::kFp32, {kRows, {3}, {224}}}).ToString(), "FP32 [N, 3, 224]");
  EXPECT_EQ((TensorSpec{"x", DType::kBytes, {{Dim::kDynamic, ""}, {1}}}).ToString(),
            "BYTES [?, 1]");
  EXPECT_EQ((TensorSpec{"x", DType::kInt64, {}}).ToString(), "INT64 []");
}

TEST(ModelSpec, FindsInputsAndOutputsByName) {
  ModelSpec spec = Taking({{kRows}, {kRows}});
  spec.outputs = {{"y", DType::kFp32, {}}};
  EXPECT_EQ(spec.FindInput("x1"), 1);
  EXPECT_EQ(spec.FindInput("y"), -1);
  EXPECT_EQ(spec.FindOutput("y"), 0);
}

TEST(DeriveBatchAxis, IsDynamicWhereAllInputsAre) {
  EXPECT_EQ(Taking({{kRows, {2}}}).batch_axis, BatchAxis::kDynamic);
  EXPECT_EQ(Taking({{kRows, {2}}, {{Dim::kDynamic, "M"}}}).batch_axis, BatchAxis::kDynamic);
}

TEST(DeriveBatchAxis, IsFixedWhereAllInputsHaveTheSameNumber) {
  const ModelSpec spec = Taking({{{4}, {2}}, {{4}}});
  EXPECT_EQ(spec.batch_axis, BatchAxis::kFixed);
  EXPECT_EQ(spec.fixed_batch, 4);
}

TEST(DeriveBatchAxis, IsNoneWhereInputsDisagreeOrHaveNoAxis) {
  EXPECT_EQ(Taking({}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Taking({{}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Taking({{kRows}, {}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Taking({{kRows}, {{4}}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Taking({{{4}}, {{5}}}).batch_axis, BatchAxis::kNone);
  EXPECT_EQ(Taking({{{0}, {5}}}).batch_axis, BatchAxis::kNone);
}

TEST(DeriveBatchAxis, ForgetsWhatItDerivedBefore) {
  ModelSpec spec = Taking({{{4}}});
  spec.inputs[0].dims = {kRows};
  DeriveBatchAxis(spec);
  EXPECT_EQ(spec.batch_axis, BatchAxis::kDynamic);
  EXPECT_EQ(spec.fixed_batch, 0);
}

TEST(RowDims, LeavesTheBatchAxisOut) {
  const ModelSpec rows = Taking({{kRows, {2}}});
  EXPECT_EQ(RowDims(rows, rows.inputs[0]).size(), 1u);
  const ModelSpec whole = Taking({{kRows}, {}});
  EXPECT_EQ(RowDims(whole, whole.inputs[0]).size(), 1u);
  EXPECT_EQ(RowDims(rows, {"scalar", DType::kFp32, {}}).size(), 0u);
}

TEST(CheckInput, AcceptsAnyNumberOfRows) {
  const ModelSpec spec = Taking({{kRows, {2}}});
  for (const std::int64_t n : {0, 1, 64}) EXPECT_EQ(WhyNot(spec, Value({n, 2})), "");
}

TEST(CheckInput, AcceptsAnyExtentWhereAnAxisIsDynamic) {
  const ModelSpec spec = Taking({{kRows, {Dim::kDynamic, "L"}, {2}}});
  for (const std::int64_t n : {0, 1, 9}) EXPECT_EQ(WhyNot(spec, Value({3, n, 2})), "");
}

TEST(CheckInput, TakesAnyRowsForAFixedBatchAsTheBatcherFillsIt) {
  EXPECT_EQ(WhyNot(Taking({{{4}, {2}}}), Value({3, 2})), "");
}

TEST(CheckInput, WantsRowsBeforeTheWholeTensorWhereThereIsNoBatchAxis) {
  const ModelSpec spec = Taking({{{2}, {3}}, {}});
  EXPECT_EQ(WhyNot(spec, Value({1, 2, 3})), "");
  EXPECT_EQ(WhyNot(spec, Value({2, 3})),
            "INVALID_ARGUMENT (SHAPE): input `x0`: expected shape [N, 2, 3], got [2, 3]");
}

TEST(CheckInput, NamesTheTypeItExpects) {
  const ModelSpec spec = Taking({{kRows, {2}}});
  EXPECT_EQ(WhyNot(spec, Tensor::Allocate(DType::kInt64, {1, 2})),
            "INVALID_ARGUMENT (TYPE): input `x0`: expected FP32, got INT64");
}

TEST(CheckInput, NamesTheShapeItExpects) {
  const ModelSpec spec = Taking({{kRows, {2}, {Dim::kDynamic, ""}}});
  EXPECT_EQ(WhyNot(spec, Value({1, 3, 1})),
            "INVALID_ARGUMENT (SHAPE): input `x0`: expected shape [N, 2, ?], got [1, 3, 1]");
  EXPECT_NE(WhyNot(spec, Value({2, 2})), "");
  EXPECT_NE(WhyNot(spec, Value({1, 2, 1, 1})), "");
  EXPECT_NE(WhyNot(spec, Value({})), "");
}

}  // namespace
}  // namespace muster::model
