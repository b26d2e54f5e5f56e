#include "muster/batching/internal/bit_classes.h"

#include <gtest/gtest.h>

namespace muster::batching {
namespace {

using tensor::Tensor;

std::vector<Tensor> Gave(float a, float b = 0) {
  return {Tensor::Of<float>({1}, {a}), Tensor::Of<float>({1}, {b})};
}

TEST(BitClasses, AreOneWhereNothingDiffers) {
  BitClasses bits;
  for (const std::int64_t rows : {1, 2, 16}) {
    bits.Observe(0, rows, Gave(1));
    bits.Observe(1, rows, Gave(2));
  }
  EXPECT_EQ(bits.invariance(), BatchInvariance::kAll);
  EXPECT_FALSE(bits.difference());
  EXPECT_EQ(bits.largest(), 16);
}

TEST(BitClasses, LeaveALoneRowOutWhereOnlyItDiffers) {
  BitClasses bits;
  bits.Observe(0, 1, Gave(1));
  bits.Observe(0, 2, Gave(1, 5));
  bits.Observe(0, 8, Gave(1, 5));
  EXPECT_EQ(bits.invariance(), BatchInvariance::kAtLeastTwo);
  EXPECT_EQ(bits.difference()->output, 1u);
  EXPECT_EQ(bits.difference()->rows, 2);
  EXPECT_EQ(bits.difference()->before, 1);
}

TEST(BitClasses, AreNoneWhereSharedRunsDifferThoughOneEqualsTheLoneRow) {
  BitClasses bits;
  bits.Observe(0, 1, Gave(1));
  bits.Observe(0, 2, Gave(1));
  bits.Observe(0, 8, Gave(3));
  EXPECT_EQ(bits.invariance(), BatchInvariance::kNone);
  EXPECT_EQ(bits.difference()->rows, 8);
  EXPECT_EQ(bits.difference()->before, 2);
}

TEST(BitClasses, ComparesARowWithItselfOnly) {
  BitClasses bits;
  bits.Observe(3, 2, Gave(1));
  bits.Observe(0, 2, Gave(2));
  bits.Observe(3, 4, Gave(1));
  EXPECT_EQ(bits.invariance(), BatchInvariance::kAll);
  bits.Observe(0, 4, Gave(1));
  EXPECT_EQ(bits.invariance(), BatchInvariance::kNone);
}

}  // namespace
}  // namespace muster::batching
