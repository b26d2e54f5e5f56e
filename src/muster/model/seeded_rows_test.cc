#include "muster/model/seeded_rows.h"

#include <cmath>
#include <gtest/gtest.h>

#include "muster/model/agreement.h"

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

constexpr DType kAllDTypes[] = {DType::kBool,   DType::kUint8, DType::kUint16, DType::kUint32,
                                DType::kUint64, DType::kInt8,  DType::kInt16,  DType::kInt32,
                                DType::kInt64,  DType::kFp16,  DType::kBf16,   DType::kFp32,
                                DType::kFp64,   DType::kBytes};

ModelSpec SpecOf(std::vector<Dim> dims, DType dtype) {
  ModelSpec spec;
  spec.inputs = {{"x", dtype, std::move(dims)}};
  DeriveBatchAxis(spec);
  return spec;
}

TEST(SeededRows, DifferFromOneAnother) {
  std::mt19937_64 random(1);
  for (const DType dtype : kAllDTypes) {
    const ModelSpec spec = SpecOf({{}, {16, ""}}, dtype);
    for (const RowStyle style : {RowStyle::kVaried, RowStyle::kBinary}) {
      const Tensor a = MakeRow(spec, style, 1, random).value()[0];
      const Tensor b = MakeRow(spec, style, 1, random).value()[0];
      EXPECT_FALSE(Compare(a, b).agree) << tensor::DTypeName(dtype);
    }
  }
}

TEST(SeededRows, HalvesAreModest) {
  std::mt19937_64 random(1);
  for (const DType dtype : {DType::kFp16, DType::kBf16}) {
    const Tensor row =
        MakeRow(SpecOf({{}, {64, ""}}, dtype), RowStyle::kVaried, 1, random).value()[0];
    for (const std::uint16_t bits : row.data<std::uint16_t>()) {
      const float value =
          dtype == DType::kFp16 ? tensor::HalfToFloat(bits) : tensor::BFloat16ToFloat(bits);
      EXPECT_GE(std::abs(value), 0.5f);
      EXPECT_LT(std::abs(value), 2.0f);
    }
  }
}

}  // namespace
}  // namespace muster::model
