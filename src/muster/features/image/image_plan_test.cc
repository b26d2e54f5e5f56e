#include "muster/features/image/image_plan.h"

#include <gtest/gtest.h>
#include <string>

namespace muster::features::image {
namespace {

using model::Dim;
using model::ImageOptions;
using tensor::DType;
using tensor::Shape;

model::ModelSpec Spec(std::vector<std::int64_t> row, DType dtype = DType::kFp32) {
  model::ModelSpec spec;
  const Dim rows{Dim::kDynamic, "N"};
  model::TensorSpec input{"x", dtype, {rows}};
  for (const std::int64_t size : row) input.dims.push_back({size, ""});
  spec.inputs = {input};
  spec.outputs = {{"scores", DType::kFp32, {rows, {10, ""}}}};
  model::DeriveBatchAxis(spec);
  return spec;
}

std::string ErrorOf(const model::ModelSpec& spec, const ImageOptions& options = {}) {
  const auto plan = ImagePlan::Make(options, spec);
  return plan ? "" : plan.error().message;
}

TEST(ImagePlan, ReadsSizeChannelsAndLayoutFromTheModel) {
  const auto nchw = ImagePlan::Make({}, Spec({3, 20, 30}));
  ASSERT_TRUE(nchw) << nchw.error().message;
  EXPECT_EQ(nchw->row_shape(), (Shape{1, 3, 20, 30}));
  EXPECT_EQ(nchw->height(), 20);
  EXPECT_EQ(nchw->width(), 30);
  EXPECT_EQ(nchw->channels(), 3);
  const auto nhwc = ImagePlan::Make({}, Spec({20, 30, 3}, DType::kUint8));
  ASSERT_TRUE(nhwc);
  EXPECT_EQ(nhwc->row_shape(), (Shape{1, 20, 30, 3}));
  EXPECT_EQ(nhwc->dtype(), DType::kUint8);
  const auto grey = ImagePlan::Make({}, Spec({20, 30}));
  ASSERT_TRUE(grey);
  EXPECT_EQ(grey->channels(), 1);
}

TEST(ImagePlan, TakesFromTheOptionsWhatTheModelLeavesOpen) {
  const auto open = ImagePlan::Make({.size = {20, 30}}, Spec({3, -1, -1}));
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_EQ(open->row_shape(), (Shape{1, 3, 20, 30}));
  const auto flat = ImagePlan::Make({.size = {8, 8}}, Spec({64}));
  ASSERT_TRUE(flat);
  EXPECT_EQ(flat->channels(), 1);
  EXPECT_EQ(flat->row_shape(), (Shape{1, 64}));
  const auto dynamic =
      ImagePlan::Make({.size = {2, 2}, .layout = ImageOptions::Layout::kNhwc}, Spec({-1, -1, -1}));
  ASSERT_TRUE(dynamic) << dynamic.error().message;
  EXPECT_EQ(dynamic->row_shape(), (Shape{1, 2, 2, 3}));
}

TEST(ImagePlan, SaysWhyAModelTakesNoPictures) {
  const std::string x = "`image`: input `x` ";
  EXPECT_EQ(ErrorOf(Spec({30})), x + "FP32 [N, 30] takes no pictures: say `image.size`");
  EXPECT_EQ(
      ErrorOf(Spec({30}), {.size = {4, 4}}),
      x + "FP32 [N, 30] takes no pictures: its rows are not `image.size` times 1 or 3 channels");
  EXPECT_EQ(ErrorOf(Spec({5, 8, 8})),
            x + "FP32 [N, 5, 8, 8] takes no pictures: no axis of 1 or 3 channels; say "
                "`image.layout`");
  EXPECT_EQ(ErrorOf(Spec({3, -1, 8})),
            x + "FP32 [N, 3, ?, 8] takes no pictures: height and width are open, or 0; say "
                "`image.size`");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.size = {8, 9}}),
            x + "FP32 [N, 3, 8, 8] takes no pictures: `image.size` says otherwise");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.channels = ImageOptions::Channels::kGrey}),
            x + "FP32 [N, 3, 8, 8] takes no pictures: `image.channels` asks for 1");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}, DType::kInt64)),
            x + "INT64 [N, 3, 8, 8] takes no pictures: expected FP32 or UINT8");
  EXPECT_EQ(ErrorOf(Spec({2, 3, 8, 8})),
            x + "FP32 [N, 2, 3, 8, 8] takes no pictures: expected rows of [C, H, W], [H, W, C], "
                "[H, W] or their product");
}

TEST(ImagePlan, RefusesOptionsThatDoNotFitTheModel) {
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.trim = true}), "`image.trim` is for models of one channel");
  EXPECT_EQ(ErrorOf(Spec({1, 8, 8}), {.mean = {1, 2, 3}}),
            "`image.mean` and `image.std` expect one number for one channel");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.fit = ImageOptions::Fit::kCrop, .resize = 7}),
            "`image.resize` is smaller than the model's 8 × 8 pixels");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.scale = 1e300, .mean = {1e300}}),
            "`image.scale`, `mean` and `std` make numbers that are not finite");
  EXPECT_EQ(ErrorOf(Spec({3, 8, 8}), {.mean = {1, 2}}),
            "`image.mean` expects one number or three, got 2");
}

TEST(ImagePlan, RefusesExtentsThatNoMemoryHolds) {
  const std::int64_t huge = std::int64_t{1} << 40;
  EXPECT_FALSE(ImagePlan::Make({}, Spec({3, huge, huge})));
}

TEST(ImagePlan, FindsTheScores) {
  model::ModelSpec spec = Spec({3, 8, 8});
  spec.outputs.push_back({"features", DType::kFp32, spec.outputs[0].dims});
  EXPECT_EQ(ErrorOf(spec),
            "`image`: no output of the model is known to be the scores of its classes; say "
            "`image.output`");
  EXPECT_EQ(ImagePlan::Make({.output = "features"}, spec)->output(), 1);
  EXPECT_EQ(ErrorOf(spec, {.output = "other"}), "`image.output`: the model has no output `other`");
  spec.outputs[1].name = "probabilities";
  EXPECT_EQ(ImagePlan::Make({}, spec)->output(), 1);
}

}  // namespace
}  // namespace muster::features::image
