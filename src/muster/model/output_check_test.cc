#include "muster/model/output_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;
using ::testing::HasSubstr;

ModelSpec Spec(std::vector<Dim> output_dims) {
  ModelSpec spec;
  spec.inputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  spec.outputs = {{"y", DType::kFp32, std::move(output_dims)}};
  DeriveBatchAxis(spec);
  return spec;
}

Tensor Output(const tensor::Shape& shape, DType dtype = DType::kFp32) {
  return Tensor::Allocate(dtype, shape);
}

TEST(CheckOutputs, AcceptsWhatWasPromised) {
  EXPECT_TRUE(CheckOutputs(Spec({{}, {3, ""}}), {Output({2, 3})}, 2));
  EXPECT_TRUE(CheckOutputs(Spec({{}, {}}), {Output({2, 9})}, 2)) << "a dynamic extent";
  EXPECT_TRUE(CheckOutputs(Spec({}), {Output({2, 9, 9})}, 2)) << "a model that states no shape";
  EXPECT_TRUE(CheckOutputs(Spec({{1, ""}, {3, ""}}), {Output({2, 3})}, 2))
      << "axis 0 is rows, whatever an export says";
}

TEST(CheckOutputs, RefusesEverythingElse) {
  const auto reason = [](const base::Status& status) {
    return std::string(status.error().Reason());
  };
  const ModelSpec spec = Spec({{}, {3, ""}});
  EXPECT_EQ(reason(CheckOutputs(spec, {}, 2)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output({2, 3}), Output({2, 3})}, 2)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output({3, 3})}, 2)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output({2, 4})}, 2)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output({2})}, 2)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output(tensor::Shape{})}, 1)), "BACKEND_INVALID");
  EXPECT_EQ(reason(CheckOutputs(spec, {Output({2, 3}, DType::kFp64)}, 2)), "BACKEND_INVALID");
}

TEST(CheckOutputs, NamesTheOutput) {
  EXPECT_THAT(CheckOutputs(Spec({{}, {3, ""}}), {Output({1, 3})}, 2).error().message,
              HasSubstr("output \"y\" has shape [1, 3] for a run of 2 rows"));
}

TEST(CheckOutputs, HoldsAModelWithoutRowsToAllItsExtents) {
  ModelSpec spec = Spec({{2, ""}});
  spec.batch_axis = BatchAxis::kNone;
  EXPECT_TRUE(CheckOutputs(spec, {Output({2})}, 1));
  EXPECT_FALSE(CheckOutputs(spec, {Output({3})}, 1));
}

}  // namespace
}  // namespace muster::model
