#include "muster/tensor/dtype.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace muster::tensor {
namespace {

constexpr DType kAll[] = {DType::kBool,   DType::kUint8, DType::kUint16, DType::kUint32,
                          DType::kUint64, DType::kInt8,  DType::kInt16,  DType::kInt32,
                          DType::kInt64,  DType::kFp16,  DType::kBf16,   DType::kFp32,
                          DType::kFp64,   DType::kBytes};

// Sign · significand · 2^exponent as the formats define them, in double, which holds every value.
double Reference(std::uint16_t bits, int fraction_bits, int exponent_bits) {
  const double sign = (bits >> 15) != 0 ? -1 : 1;
  const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double scale = std::ldexp(1.0, -fraction_bits);
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  if (exponent == 0) return sign * std::ldexp(fraction * scale, 1 - bias);
  return sign * std::ldexp(1 + fraction * scale, exponent - bias);
}

void ExpectSame(float actual, double expected, int bits) {
  if (std::isnan(expected)) {
    ASSERT_TRUE(std::isnan(actual)) << std::hex << bits;
    ASSERT_EQ(std::signbit(actual), (bits >> 15) != 0) << std::hex << bits;
  } else {
    // As bits, so that the sign of a zero counts too.
    ASSERT_EQ(std::bit_cast<std::uint64_t>(double{actual}), std::bit_cast<std::uint64_t>(expected))
        << std::hex << bits;
  }
}

TEST(HalfToFloat, GivesTheValueOfEveryHalf) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(HalfToFloat(half), Reference(half, 10, 5), bits));
  }
}

TEST(HalfToFloat, KeepsTheFractionOfANaN) {
  EXPECT_EQ(std::bit_cast<std::uint32_t>(HalfToFloat(0xfe01)), 0xffc02000u);
}

TEST(BFloat16ToFloat, GivesTheValueOfEveryBFloat16) {
  for (int bits = 0; bits <= 0xffff; ++bits) {
    const auto brain = static_cast<std::uint16_t>(bits);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(BFloat16ToFloat(brain), Reference(brain, 7, 8), bits));
  }
}

TEST(DType, ParsesTheNamesItWrites) {
  for (const DType dtype : kAll) EXPECT_EQ(ParseDType(DTypeName(dtype)), dtype);
}

TEST(DType, HasTheNamesOfTheProtocol) {
  EXPECT_EQ(DTypeName(DType::kBool), "BOOL");
  EXPECT_EQ(DTypeName(DType::kUint8), "UINT8");
  EXPECT_EQ(DTypeName(DType::kInt64), "INT64");
  EXPECT_EQ(DTypeName(DType::kFp16), "FP16");
  EXPECT_EQ(DTypeName(DType::kBf16), "BF16");
  EXPECT_EQ(DTypeName(DType::kFp32), "FP32");
  EXPECT_EQ(DTypeName(DType::kBytes), "BYTES");
}

TEST(DType, ParsesNothingElse) {
  for (const char* name : {"", "fp32", "FLOAT", "FP32 ", "STRING"}) {
    EXPECT_FALSE(ParseDType(name).has_value()) << name;
  }
}

template <class T>
class DTypeOfTest : public testing::Test {};
using ElementTypes =
    testing::Types<bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, std::int8_t,
                   std::int16_t, std::int32_t, std::int64_t, float, double>;
TYPED_TEST_SUITE(DTypeOfTest, ElementTypes);

TYPED_TEST(DTypeOfTest, IsOfTheElementsSize) {
  EXPECT_EQ(DTypeSize(DTypeOf<TypeParam>::value), sizeof(TypeParam));
}

TEST(DTypeSize, OfAStringIsZero) { EXPECT_EQ(DTypeSize(DTypeOf<std::string>::value), 0u); }

}  // namespace
}  // namespace muster::tensor
