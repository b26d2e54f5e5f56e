#include "muster/tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::tensor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Strings = std::vector<std::string>;

Tensor Floats(const Shape& shape, const std::vector<float>& values) {
  return Tensor::Of<float>(shape, values);
}

TEST(Tensor, IsEmptyByDefault) {
  const Tensor tensor;
  EXPECT_EQ(tensor.rows(), 0);
  EXPECT_EQ(tensor.byte_size(), 0u);
  EXPECT_THAT(tensor.data<float>(), IsEmpty());
}

TEST(Tensor, OfCopiesValues) {
  const Tensor tensor = Floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(tensor.dtype(), DType::kFp32);
  EXPECT_EQ(tensor.byte_size(), 16u);
  EXPECT_THAT(tensor.data<float>(), ElementsAre(1, 2, 3, 4));
}

TEST(Tensor, OfCopiesBooleans) {
  const Tensor tensor = Tensor::Of<bool>({3}, {true, false, true});
  EXPECT_EQ(tensor.byte_size(), 3u);
  EXPECT_THAT(tensor.data<bool>(), ElementsAre(true, false, true));
}

TEST(Tensor, OfCopiesStrings) {
  const Tensor tensor = Tensor::Of<std::string>({2}, {"a", "bc"});
  EXPECT_EQ(tensor.dtype(), DType::kBytes);
  EXPECT_EQ(tensor.byte_size(), 0u);
  EXPECT_THAT(tensor.data<std::string>(), ElementsAre("a", "bc"));
}

TEST(Tensor, AScalarIsOneRowOfOneElement) {
  const Tensor tensor = Floats({}, {7});
  EXPECT_EQ(tensor.rows(), 1);
  EXPECT_THAT(tensor.data<float>(), ElementsAre(7));
}

TEST(Tensor, WithoutRowsHasAShapeAndNoBytes) {
  const Tensor tensor = Tensor::Allocate(DType::kFp64, {0, 3});
  EXPECT_EQ(tensor.rows(), 0);
  EXPECT_EQ(tensor.byte_size(), 0u);
  EXPECT_THAT(tensor.data<double>(), IsEmpty());
}

TEST(Tensor, AllocatesEmptyStrings) {
  const Tensor tensor = Tensor::Allocate(DType::kBytes, {2});
  EXPECT_THAT(tensor.data<std::string>(), ElementsAre("", ""));
}

TEST(Tensor, HalvesAreReadAsTheirBits) {
  const Tensor tensor = Tensor::Allocate(DType::kFp16, {1});
  tensor.data<std::uint16_t>()[0] = 0x3c00;
  EXPECT_EQ(HalfToFloat(tensor.data<const std::uint16_t>()[0]), 1.0f);
}

TEST(TensorView, SharesTheBufferFromTheOffset) {
  const Tensor whole = Floats({4}, {1, 2, 3, 4});
  const auto view = Tensor::View(DType::kFp32, {2}, whole.buffer(), 8);
  ASSERT_TRUE(view);
  EXPECT_THAT(view->data<float>(), ElementsAre(3, 4));
  EXPECT_EQ(view->bytes(), whole.bytes() + 8);
}

TEST(TensorView, KeepsTheMemoryAlive) {
  Tensor whole = Floats({1}, {5});
  const auto view = Tensor::View(DType::kFp32, {1}, whole.buffer());
  whole = Tensor();
  EXPECT_THAT(view->data<float>(), ElementsAre(5));
}

TEST(TensorView, RefusesABufferThatIsTooSmall) {
  const auto view = Tensor::View(DType::kFp32, {2}, BufferRef::Allocate(8), 4);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(view.error().message, "shape [2] of FP32 needs 8 bytes from offset 4 of a buffer of 8");
}

TEST(TensorView, RefusesAnOffsetBehindTheEnd) {
  EXPECT_FALSE(Tensor::View(DType::kUint8, {0}, BufferRef::Allocate(4), 5));
  EXPECT_FALSE(Tensor::View(DType::kUint8, {1}, BufferRef::Allocate(4), ~std::size_t{0}));
}

TEST(TensorView, RefusesElementsThatAreNotAligned) {
  const BufferRef buffer = BufferRef::Allocate(64);
  EXPECT_FALSE(Tensor::View(DType::kFp32, {1}, buffer, 2));
  EXPECT_FALSE(Tensor::View(DType::kInt64, {1}, buffer, 4));
  EXPECT_TRUE(Tensor::View(DType::kFp16, {1}, buffer, 2));
  EXPECT_TRUE(Tensor::View(DType::kInt8, {1}, buffer, 1));
}

TEST(TensorView, OfNoElementsNeedsNoAlignment) {
  EXPECT_TRUE(Tensor::View(DType::kFp32, {0, 3}, BufferRef::Allocate(8), 3));
}

TEST(TensorView, RefusesTheOtherKindOfStorage) {
  const auto numbers = Tensor::View(DType::kFp32, {1}, BufferRef::Strings({"a"}));
  ASSERT_FALSE(numbers);
  EXPECT_THAT(numbers.error().message, HasSubstr("numeric tensor cannot view"));
  const auto strings = Tensor::View(DType::kBytes, {1}, BufferRef::Allocate(64));
  ASSERT_FALSE(strings);
  EXPECT_THAT(strings.error().message, HasSubstr("string tensor cannot view"));
}

TEST(TensorView, OfStringsCountsInStrings) {
  const auto view = Tensor::View(DType::kBytes, {2}, BufferRef::Strings({"a", "b", "c"}), 1);
  ASSERT_TRUE(view);
  EXPECT_THAT(view->data<std::string>(), ElementsAre("b", "c"));
  EXPECT_FALSE(Tensor::View(DType::kBytes, {2}, BufferRef::Strings({"a", "b", "c"}), 2));
}

TEST(TensorRows, ShareTheMemory) {
  const Tensor whole = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor rows = whole.Rows(1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_THAT(rows.data<float>(), ElementsAre(3, 4, 5, 6));
  rows.data<float>()[0] = 9;
  EXPECT_EQ(whole.data<float>()[2], 9);
}

TEST(TensorRows, OfRowsCountFromTheirFirst) {
  const Tensor rows = Floats({4}, {1, 2, 3, 4}).Rows(1, 3).Rows(1, 1);
  EXPECT_THAT(rows.data<float>(), ElementsAre(3));
}

TEST(TensorRows, OfStringsShareTheStrings) {
  const Tensor rows = Tensor::Of<std::string>({3, 1}, {"a", "b", "c"}).Rows(2, 1);
  EXPECT_THAT(rows.data<std::string>(), ElementsAre("c"));
}

TEST(TensorRows, MayBeNoneAtTheEnd) {
  const Tensor rows = Floats({2}, {1, 2}).Rows(2, 0);
  EXPECT_EQ(rows.rows(), 0);
  EXPECT_THAT(rows.data<float>(), IsEmpty());
}

TEST(TensorReshaped, ShowsTheSameElements) {
  const Tensor reshaped = Floats({2, 3}, {1, 2, 3, 4, 5, 6}).Rows(1, 1).Reshaped({3, 1});
  EXPECT_EQ(reshaped.shape(), (Shape{3, 1}));
  EXPECT_THAT(reshaped.data<float>(), ElementsAre(4, 5, 6));
}

TEST(GatherRows, PutsPartsOneAfterAnother) {
  const Tensor out = Floats({4, 2}, std::vector<float>(8, -1));
  const Tensor parts[] = {Floats({1, 2}, {1, 2}), Floats({2, 2}, {3, 4, 5, 6})};
  GatherRows(parts, out);
  EXPECT_THAT(out.data<float>(), ElementsAre(1, 2, 3, 4, 5, 6, -1, -1));
}

TEST(GatherRows, BeginsAtTheGivenRow) {
  const Tensor out = Floats({3}, {-1, -1, -1});
  const Tensor parts[] = {Floats({2}, {1, 2})};
  GatherRows(parts, out, 1);
  EXPECT_THAT(out.data<float>(), ElementsAre(-1, 1, 2));
}

TEST(GatherRows, CopiesViewsFromTheirOffset) {
  const Tensor out = Floats({2}, {-1, -1});
  const Tensor whole = Floats({3}, {1, 2, 3});
  const Tensor parts[] = {whole.Rows(2, 1), whole.Rows(0, 1)};
  GatherRows(parts, out);
  EXPECT_THAT(out.data<float>(), ElementsAre(3, 1));
}

TEST(GatherRows, CopiesStringsAsStrings) {
  const Tensor out = Tensor::Allocate(DType::kBytes, {3, 1});
  // Longer than fits in a string itself: copied bytes would be freed twice.
  const std::string longer(100, 'x');
  const Tensor parts[] = {Tensor::Of<std::string>({1, 1}, {longer}),
                          Tensor::Of<std::string>({2, 1}, {"b", longer})};
  GatherRows(parts, out);
  EXPECT_THAT(out.data<std::string>(), ElementsAre(longer, "b", longer));
  EXPECT_EQ(parts[0].data<std::string>()[0], longer);
}

TEST(GatherRows, TakesPartsWithoutRows) {
  const Tensor out = Floats({1, 2}, {-1, -1});
  const Tensor parts[] = {Tensor::Allocate(DType::kFp32, {0, 2}), Floats({1, 2}, {1, 2}),
                          *Tensor::View(DType::kFp32, {0, 2}, BufferRef())};
  GatherRows(parts, out);
  EXPECT_THAT(out.data<float>(), ElementsAre(1, 2));
}

TEST(GatherRows, TakesRowsWithoutElements) {
  const Tensor out = Tensor::Allocate(DType::kFp32, {2, 0});
  const Tensor parts[] = {Tensor::Allocate(DType::kFp32, {2, 0})};
  GatherRows(parts, out);
  EXPECT_EQ(out.rows(), 2);
}

TEST(PadRows, RepeatsTheSourceRowToTheEnd) {
  const Tensor out = Floats({4, 2}, {1, 2, 3, 4, 0, 0, 0, 0});
  PadRows(out, 2, 1);
  EXPECT_THAT(out.data<float>(), ElementsAre(1, 2, 3, 4, 3, 4, 3, 4));
}

TEST(PadRows, RepeatsStrings) {
  const std::string longer(100, 'x');
  const Tensor out = Tensor::Of<std::string>({3}, {longer, "", ""});
  PadRows(out, 1);
  EXPECT_THAT(out.data<std::string>(), ElementsAre(longer, longer, longer));
}

TEST(PadRows, ChangesNothingWhereAllRowsAreThere) {
  const Tensor out = Floats({2}, {1, 2});
  PadRows(out, 2);
  EXPECT_THAT(out.data<float>(), ElementsAre(1, 2));
  PadRows(Tensor::Allocate(DType::kFp32, {0}), 0);
}

TEST(PadRows, MayBeginAtTheSourceRowItself) {
  const Tensor out = Floats({3}, {7, 0, 0});
  PadRows(out, 0);
  EXPECT_THAT(out.data<float>(), ElementsAre(7, 7, 7));
}

TEST(TensorDeathTest, AccessAsAnotherTypeAborts) {
  EXPECT_DEATH((void)Floats({1}, {1}).data<double>(), "another dtype");
  EXPECT_DEATH((void)Floats({1}, {1}).data<std::string>(), "numeric tensor");
  EXPECT_DEATH((void)Tensor::Of<std::string>({1}, {"a"}).data<float>(), "another dtype");
}

TEST(TensorDeathTest, RowsThatAreNotThereAbort) {
  EXPECT_DEATH((void)Floats({2}, {1, 2}).Rows(1, 2), "2 rows from 1 of \\[2\\]");
  EXPECT_DEATH((void)Floats({2}, {1, 2}).Rows(-1, 1), "rows");
  EXPECT_DEATH((void)Floats({}, {1}).Rows(0, 1), "no rows");
}

TEST(TensorDeathTest, ReshapingToAnotherNumberOfElementsAborts) {
  EXPECT_DEATH((void)Floats({2}, {1, 2}).Reshaped({3}), "cannot become");
}

TEST(TensorDeathTest, GatheringWhatDoesNotFitAborts) {
  const Tensor out = Tensor::Allocate(DType::kFp32, {1, 2});
  const auto gather = [&](const Tensor& part) { GatherRows({&part, 1}, out); };
  EXPECT_DEATH(gather(Tensor::Allocate(DType::kFp32, {2, 2})), "into");
  EXPECT_DEATH(gather(Tensor::Allocate(DType::kFp32, {1, 3})), "into");
  EXPECT_DEATH(gather(Tensor::Allocate(DType::kFp32, {1})), "into");
  EXPECT_DEATH(gather(Tensor::Allocate(DType::kFp64, {1, 2})), "rows of FP64 into FP32");
  EXPECT_DEATH(gather(Floats({}, {1})), "no rows");
}

TEST(TensorDeathTest, CopyingADevicesMemoryAborts) {
  float memory = 0;
  const Tensor part =
      *Tensor::View(DType::kFp32, {1}, BufferRef::Wrap(&memory, 4, nullptr, MemoryKind::kDevice));
  EXPECT_DEATH(GatherRows({&part, 1}, Floats({1}, {0})), "device's memory");
}

TEST(TensorDeathTest, PaddingWithARowThatIsNotThereAborts) {
  EXPECT_DEATH(PadRows(Floats({2}, {1, 2}), 1, 2), "row 2 of \\[2\\]");
  EXPECT_DEATH(PadRows(Floats({2}, {1, 2}), 3), "row 3 of \\[2\\]");
}

}  // namespace
}  // namespace muster::tensor
