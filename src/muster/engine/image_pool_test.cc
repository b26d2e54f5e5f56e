#include "muster/engine/internal/image_pool.h"

#include <gtest/gtest.h>
#include <optional>
#include <string>

#include "muster/base/fake_loop.h"
#include "muster/batching/fake_device.h"

namespace muster::engine {
namespace {

using base::Code;
using features::image::ImagePlan;
using std::chrono::milliseconds;

// Grey, 2 × 2 pixels: 1 2 3 4.
constexpr std::string_view kPicture =
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNkZGRhYgQAACYAC45g50EAAAAASUVORK5C"
    "YII=";

ImagePlan MakePlan() {
  model::ModelSpec spec;
  const model::Dim rows{model::Dim::kDynamic, "N"};
  spec.inputs = {{"pixels", tensor::DType::kFp32, {rows, {1, ""}, {2, ""}, {2, ""}}}};
  spec.outputs = {{"scores", tensor::DType::kFp32, {rows, {10, ""}}}};
  model::DeriveBatchAxis(spec);
  return *ImagePlan::Make({.scale = 1.0}, spec);
}

class ImagePoolTest : public testing::Test {
 protected:
  ~ImagePoolTest() override {
    device_.Open();
    pool_->Drain();
    loop_.RunUntilIdle();
  }

  ImageRequest Request(std::vector<std::string_view> texts) {
    ImageRequest request;
    for (const std::string_view text : texts) {
      request.pictures.push_back({.bytes = std::as_bytes(std::span(text)), .base64 = true});
    }
    return request;
  }
  using Answer = std::shared_ptr<std::optional<base::Result<PreparedImages>>>;
  Answer Submit(ImageRequest request, base::Duration timeout = milliseconds(100)) {
    auto answer = std::make_shared<std::optional<base::Result<PreparedImages>>>();
    pool_->Submit(std::move(request), {plan_, flow_}, clock_.Now() + timeout, &loop_,
                  [answer](base::Result<PreparedImages> r) { *answer = std::move(r); });
    EXPECT_FALSE(answer->has_value()) << "a completion must never run inline";
    return answer;
  }
  base::Result<PreparedImages> Await(const Answer& answer) {
    while (!answer->has_value()) loop_.AwaitAndRun();
    return std::move(**answer);
  }

  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  batching::FakeDevice device_;
  const batching::Device::FlowId flow_ = device_.AddFlow("pictures", 1);
  const ImagePlan plan_ = MakePlan();
  std::unique_ptr<ImagePool> pool_ = std::make_unique<ImagePool>(
      ImagePoolOptions{.threads = 2, .max_waiting = 4}, device_, clock_);
};

TEST_F(ImagePoolTest, GivesTheRowsOfThosePicturesThatCouldBeRead) {
  const auto prepared = Await(Submit(Request({"?", kPicture, "aGVsbG8=", kPicture})));
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_EQ(prepared->rows, 2);
  ASSERT_EQ(prepared->statuses.size(), 4u);
  EXPECT_EQ(prepared->statuses[0].error().Reason(), "BASE64");
  EXPECT_TRUE(prepared->statuses[1]);
  EXPECT_EQ(prepared->statuses[2].error().Reason(), "IMAGE_FORMAT");
  const tensor::Tensor& rows = prepared->inputs.at(0);
  EXPECT_EQ(rows.shape(), (tensor::Shape{2, 1, 2, 2}));
  const auto values = rows.data<const float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4}));
}

TEST_F(ImagePoolTest, HasNoRowsWhereNothingCouldBeRead) {
  const auto prepared = Await(Submit(Request({"", "?"})));
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->rows, 0);
  EXPECT_TRUE(prepared->inputs.empty());
}

TEST_F(ImagePoolTest, ChargesTheDeviceForEachPicture) {
  EXPECT_TRUE(Await(Submit(Request({kPicture, kPicture, kPicture}))));
  EXPECT_EQ(device_.charges().size(), 3u);
  EXPECT_EQ(device_.held(), 0);
}

TEST_F(ImagePoolTest, GivesUpWhatHasExpired) {
  device_.Close();
  const Answer waiting = Submit(Request({kPicture, kPicture}));
  device_.AwaitWaiting(2);
  const Answer late = Submit(Request({kPicture}), milliseconds(5));
  clock_.Advance(milliseconds(6));
  device_.Open();
  EXPECT_EQ(Await(late).error().Reason(), "EXPIRED");
  EXPECT_TRUE(Await(waiting));
  EXPECT_EQ(Await(Submit(Request({kPicture}), milliseconds(0))).error().Reason(), "EXPIRED");
}

TEST_F(ImagePoolTest, GivesUpWhatIsCancelled) {
  device_.Close();
  const Answer waiting = Submit(Request({kPicture, kPicture}));
  device_.AwaitWaiting(2);
  base::CancelSource source;
  ImageRequest request = Request({kPicture});
  request.cancelled = source.get_token();
  const Answer cancelled = Submit(std::move(request));
  source.request_stop();
  device_.Open();
  EXPECT_EQ(Await(cancelled).error().code, Code::kCancelled);
  EXPECT_TRUE(Await(waiting));
}

TEST_F(ImagePoolTest, IsBounded) {
  device_.Close();
  const Answer running = Submit(Request({kPicture, kPicture}));
  device_.AwaitWaiting(2);
  const Answer waiting = Submit(Request({kPicture, kPicture, kPicture}));
  EXPECT_EQ(Await(Submit(Request({kPicture, kPicture}))).error().Reason(), "QUEUE_FULL");
  const Answer last = Submit(Request({kPicture}));
  device_.Open();
  for (const Answer& answer : {running, waiting, last}) EXPECT_TRUE(Await(answer));
}

TEST_F(ImagePoolTest, TakesNoMoreMemoryThanItMay) {
  pool_ = std::make_unique<ImagePool>(ImagePoolOptions{.threads = 1, .max_bytes = 2 * 16}, device_,
                                      clock_);
  EXPECT_EQ(Await(Submit(Request({kPicture, kPicture, kPicture}))).error().Reason(), "QUEUE_FULL");
  device_.Close();
  const Answer first = Submit(Request({kPicture}));
  device_.AwaitWaiting(1);
  EXPECT_EQ(Await(Submit(Request({kPicture, kPicture}))).error().Reason(), "QUEUE_FULL");
  device_.Open();
  EXPECT_TRUE(Await(first));
  EXPECT_TRUE(Await(Submit(Request({kPicture, kPicture})))) << "it was given back";
}

TEST_F(ImagePoolTest, TakesAsManyAsComeAtOnceWhereNothingWaits) {
  EXPECT_EQ(Await(Submit(Request(std::vector<std::string_view>(50, kPicture))))->rows, 50);
}

TEST_F(ImagePoolTest, FinishesWhatItAcceptedAndThenRefuses) {
  device_.Close();
  const Answer accepted = Submit(Request({kPicture, kPicture, kPicture}));
  device_.AwaitWaiting(2);
  device_.Open();
  pool_->Drain();
  EXPECT_TRUE(Await(accepted));
  const auto refused = Await(Submit(Request({kPicture})));
  EXPECT_EQ(refused.error().Reason(), "DRAINING");
}

TEST_F(ImagePoolTest, LetsTheOwnerOfTheBytesGoOnTheLoop) {
  bool gone = false;
  auto owner = std::shared_ptr<void>(nullptr, [&](void*) { gone = true; });
  ImageRequest request = Request({kPicture, kPicture});
  request.owner = std::move(owner);
  const Answer answer = Submit(std::move(request));
  pool_->Drain();
  EXPECT_FALSE(gone);
  loop_.RunUntilIdle();
  EXPECT_TRUE(gone);
  EXPECT_TRUE(answer->has_value());
}

}  // namespace
}  // namespace muster::engine
