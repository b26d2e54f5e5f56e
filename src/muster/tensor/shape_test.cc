#include "muster/tensor/shape.h"

#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace muster::tensor {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

base::Result<Shape> Make(const std::vector<std::int64_t>& dims) { return Shape::Make(dims); }

TEST(Shape, OfAScalarHasRankZeroAndOneElement) {
  EXPECT_EQ(Shape().rank(), 0);
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape().elements_per_row(), 1);
  EXPECT_EQ(*Make({}), Shape());
}

TEST(Shape, ElementsAreTheProductOfTheExtents) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.elements(), 24);
  EXPECT_EQ(shape.elements_per_row(), 12);
  EXPECT_EQ(shape[1], 3);
}

TEST(Shape, AVectorHasOneElementPerRow) { EXPECT_EQ(Shape({5}).elements_per_row(), 1); }

TEST(Shape, WithoutRowsStillHasElementsPerRow) {
  EXPECT_EQ(Shape({0, 3, 4}).elements(), 0);
  EXPECT_EQ(Shape({0, 3, 4}).elements_per_row(), 12);
}

TEST(Shape, AZeroAnywhereMakesItEmpty) {
  EXPECT_EQ(Shape({3, 0, 4}).elements(), 0);
  EXPECT_EQ(Shape({3, 0, 4}).elements_per_row(), 0);
}

TEST(Shape, TakesSixteenAxesAndNoMore) {
  EXPECT_EQ(Make(std::vector<std::int64_t>(16, 1))->rank(), 16);
  const auto refused = Make(std::vector<std::int64_t>(17, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(refused.error().message,
            "shape [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, …] has 17 axes; at most 16 are "
            "supported");
}

TEST(Shape, RefusesNegativeExtents) {
  const auto refused = Make({2, -1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(refused.error().message, "shape [2, -1] has a negative extent");
}

TEST(Shape, RefusesAProductThatOverflows) {
  for (const auto& dims : {std::vector{kMax, kMax}, {kMax, std::int64_t{2}}, {kMax}}) {
    const auto refused = Make(dims);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
    EXPECT_EQ(refused.error().Reason(), "OVERFLOW");
  }
}

TEST(Shape, RefusesARowThatOverflowsEvenWhereThereIsNone) {
  EXPECT_FALSE(Make({0, kMax, kMax}));
  EXPECT_FALSE(Make({kMax, kMax, 0}));
}

TEST(Shape, TakesTheLargestNumberOfElementsWhoseBytesCanBeCounted) {
  EXPECT_EQ(Make({kMax / 8})->elements(), kMax / 8);
  EXPECT_FALSE(Make({kMax / 8 + 1}));
}

TEST(Shape, WithRowsChangesAxisZeroOnly) {
  EXPECT_EQ(Shape({2, 3}).WithRows(7), (Shape{7, 3}));
  EXPECT_EQ(Shape({2, 3}).WithRows(7).elements(), 21);
}

TEST(Shape, RowShapeDropsAxisZero) {
  EXPECT_EQ(Shape({2, 3, 4}).RowShape(), (Shape{3, 4}));
  EXPECT_EQ(Shape({2}).RowShape(), Shape());
  EXPECT_EQ(Shape({0, 3}).RowShape().elements(), 3);
}

TEST(Shape, PrependAddsAnAxisZero) {
  EXPECT_EQ(Shape({3, 4}).Prepend(2), (Shape{2, 3, 4}));
  EXPECT_EQ(Shape().Prepend(2), (Shape{2}));
}

TEST(Shape, ToStringListsTheExtents) {
  EXPECT_EQ(Shape({3, 224, 224}).ToString(), "[3, 224, 224]");
  EXPECT_EQ(Shape().ToString(), "[]");
}

TEST(Shape, DiffersByRankAndByExtent) {
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2}), (Shape{2, 1}));
  EXPECT_NE(Shape(), (Shape{0}));
}

TEST(ShapeDeathTest, ALiteralThatMakeWouldRefuseAborts) {
  EXPECT_DEATH(Shape({2, -1}), "negative extent");
  EXPECT_DEATH(Shape({kMax, kMax}), "OVERFLOW");
}

TEST(ShapeDeathTest, RowsOfAScalarAbort) {
  EXPECT_DEATH(Shape().WithRows(1), "no rows");
  EXPECT_DEATH(Shape().RowShape(), "no rows");
}

TEST(ShapeDeathTest, ASeventeenthAxisAborts) {
  EXPECT_DEATH(Make(std::vector<std::int64_t>(16, 1))->Prepend(1), "no axis");
}

}  // namespace
}  // namespace muster::tensor
