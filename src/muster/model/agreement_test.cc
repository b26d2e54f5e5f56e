#include "muster/model/agreement.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

TEST(Agreement, HoldsFloatsToTheStatedTolerance) {
  const auto compare = [](float a, float b) {
    return Compare(Tensor::Of<float>({1}, {a}), Tensor::Of<float>({1}, {b})).agree;
  };
  EXPECT_TRUE(compare(100.0f, 100.009f));
  EXPECT_FALSE(compare(100.0f, 100.02f));
  EXPECT_TRUE(compare(0.0f, 0.9e-5f));
  EXPECT_FALSE(compare(0.0f, 1.2e-5f));
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  EXPECT_TRUE(compare(inf, inf));
  EXPECT_FALSE(compare(inf, -inf));
  EXPECT_FALSE(compare(1.0f, inf));
  EXPECT_TRUE(compare(nan, -nan));
  EXPECT_FALSE(compare(nan, 1.0f));
}

TEST(Agreement, AllowsHalfPrecisionItsOwnSteps) {
  const auto half = [](std::uint16_t bits) {
    Tensor t = Tensor::Allocate(DType::kFp16, {1});
    t.data<std::uint16_t>()[0] = bits;
    return t;
  };
  EXPECT_TRUE(Compare(half(0x3c00), half(0x3c01)).agree) << "neighbours, 1e-3 apart";
  EXPECT_FALSE(Compare(half(0x3c00), half(0x3c08)).agree);
}

TEST(Agreement, HoldsIntegersAndStringsExactly) {
  EXPECT_FALSE(
      Compare(Tensor::Of<std::int64_t>({1}, {7}), Tensor::Of<std::int64_t>({1}, {8})).agree);
  EXPECT_FALSE(
      Compare(Tensor::Of<std::string>({1}, {"a"}), Tensor::Of<std::string>({1}, {"b"})).agree);
  EXPECT_TRUE(
      Compare(Tensor::Of<std::string>({1}, {"a"}), Tensor::Of<std::string>({1}, {"a"})).identical);
}

}  // namespace
}  // namespace muster::model
