#include "muster/registry/model_config.h"

#include <gtest/gtest.h>

namespace muster::registry {
namespace {

std::string ErrorOf(const std::string& yaml) {
  auto config = ParseModelConfig(yaml, "iris/muster.yaml");
  return config ? "" : config.error().message;
}

TEST(ModelConfig, IsAllDefaultsForAnEmptyText) {
  auto config = ParseModelConfig("", "m");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->policy, "adaptive");
  EXPECT_EQ(config->max_batch_size, 64);
  EXPECT_EQ(config->executor, "auto");
  EXPECT_FALSE(config->batchable.has_value());
  EXPECT_FALSE(config->batch_invariant);
}

TEST(ModelConfig, ReadsEveryKey) {
  auto config = ParseModelConfig(
      "description: flowers\nlabels: [a, b]\nfeature_names: [x, y]\npolicy: window\n"
      "batchable: false\nmax_batch_size: 16\nmax_wait_ms: 2.5\ninstances: 3\nthreads: 2\n"
      "executor: threads\nmax_queue_rows: 99\nbatch_invariant: true\n",
      "m");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->description, "flowers");
  EXPECT_EQ(config->labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->feature_names, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(config->policy, "window");
  EXPECT_EQ(config->batchable, false);
  EXPECT_TRUE(config->batch_invariant);
  EXPECT_EQ(config->max_batch_size, 16);
  EXPECT_DOUBLE_EQ(config->max_wait_ms, 2.5);
  EXPECT_EQ(config->instances, 3);
  EXPECT_EQ(config->threads, 2);
  EXPECT_EQ(config->executor, "threads");
  EXPECT_EQ(config->max_queue_rows, 99);
}

TEST(ModelConfig, NamesTheLineAndTheNearestKeyOfAnUnknownOne) {
  EXPECT_EQ(ErrorOf("labels: [a]\nmax_batchsize: 4\n"),
            "iris/muster.yaml line 2: unknown key `max_batchsize`; did you mean `max_batch_size`?");
}

TEST(ModelConfig, LimitsTheLargestRunWhoseEverySizeIsTried) {
  EXPECT_EQ(ErrorOf("batch_invariant: true\nmax_batch_size: 256\n"), "");
  EXPECT_EQ(ErrorOf("max_batch_size: 257\n"), "");
  EXPECT_EQ(ErrorOf("batch_invariant: true\nmax_batch_size: 257\n"),
            "iris/muster.yaml: `batch_invariant` tries every size of a run, so `max_batch_size` "
            "expects at most 256 with it, got 257");
}

TEST(ModelConfig, RefusesAKeyGivenTwice) {
  EXPECT_EQ(ErrorOf("policy: none\npolicy: window\n"),
            "iris/muster.yaml line 2: `policy` is given twice");
}

TEST(ModelConfig, AimdWaitsAHundredMillisecondsUnlessToldOtherwise) {
  EXPECT_EQ(ParseModelConfig("policy: aimd\n", "m")->max_wait_ms, 100);
  EXPECT_EQ(ParseModelConfig("max_wait_ms: 7\npolicy: aimd\n", "m")->max_wait_ms, 7);
  EXPECT_EQ(ParseModelConfig("policy: window\n", "m")->max_wait_ms, 5);
}

TEST(ModelConfig, SaysWhatAValueShouldHaveBeen) {
  EXPECT_EQ(ErrorOf("max_batch_size: many\n"),
            "iris/muster.yaml line 1: `max_batch_size` expects a whole number, got `many`");
  EXPECT_EQ(ErrorOf("labels: setosa\n"),
            "iris/muster.yaml line 1: `labels` expects a list of strings");
  EXPECT_EQ(ErrorOf("policy: fifo\n"),
            "iris/muster.yaml: `policy` expects adaptive, window, aimd or none, got `fifo`");
  EXPECT_EQ(ErrorOf("executor: fibers\n"),
            "iris/muster.yaml: `executor` expects auto or threads, got `fibers`");
  EXPECT_EQ(ErrorOf("max_wait_ms: .nan\n"), "iris/muster.yaml: `max_wait_ms` expects 0 to 60000");
  EXPECT_EQ(ErrorOf("- a\n"), "iris/muster.yaml: expected a mapping of keys to values");
}

TEST(ModelConfig, SaysHowPicturesBecomeRows) {
  const auto config = ParseModelConfig(
      "image:\n  size: [224, 192]\n  fit: crop\n  resize: 256\n  filter: bicubic\n"
      "  channels: bgr\n  layout: NHWC\n  scale: 1\n  mean: [1, 2, 3]\n  std: 0.5\n"
      "  background: [255, 255, 255]\n  invert: auto\n  scaled_decoding: false\n"
      "  softmax: true\n  top_k: 3\n",
      "m");
  ASSERT_TRUE(config) << config.error().message;
  using model::ImageOptions;
  const ImageOptions expected{.size = {224, 192},
                              .fit = ImageOptions::Fit::kCrop,
                              .resize = 256,
                              .filter = ImageOptions::Filter::kBicubic,
                              .channels = ImageOptions::Channels::kBgr,
                              .layout = ImageOptions::Layout::kNhwc,
                              .scale = 1,
                              .mean = {1, 2, 3},
                              .std = {0.5},
                              .background = {{255, 255, 255}},
                              .invert = ImageOptions::Choice::kAuto,
                              .scaled_decoding = false,
                              .softmax = ImageOptions::Choice::kYes,
                              .top_k = 3};
  EXPECT_EQ(config->image, expected);
  EXPECT_EQ(ParseModelConfig("image:\n", "m")->image, ImageOptions());
  EXPECT_EQ(ParseModelConfig("policy: none\n", "m")->image, std::nullopt);
}

TEST(ModelConfig, SaysWhatIsWrongWithPictures) {
  EXPECT_EQ(ErrorOf("image:\n  fitt: crop\n"),
            "iris/muster.yaml line 2: unknown key `fitt`; did you mean `fit`?");
  EXPECT_EQ(ErrorOf("image:\n  fit: cover\n"),
            "iris/muster.yaml line 2: `fit` expects stretch, crop or pad, got `cover`");
  EXPECT_EQ(ErrorOf("image:\n  fit: pad\n  fit: crop\n"),
            "iris/muster.yaml line 3: `image.fit` is given twice");
  EXPECT_EQ(ErrorOf("image: yes\n"),
            "iris/muster.yaml line 1: `image` expects a mapping of keys to values");
  EXPECT_EQ(ErrorOf("image:\n  background: [0, 0, 256]\n"),
            "iris/muster.yaml line 2: `background` expects three numbers from 0 to 255: red, "
            "green, blue");
  EXPECT_EQ(ErrorOf("image:\n  std: [1, 0, 1]\n"),
            "iris/muster.yaml: `image.std` expects finite numbers other than 0");
  EXPECT_EQ(ErrorOf("image:\n  size: [224]\n"),
            "iris/muster.yaml: `image.size` expects [height, width]");
  EXPECT_EQ(ErrorOf("image:\n  resize: 256\n"),
            "iris/muster.yaml: `image.resize` is for `fit: crop` only");
}

TEST(ModelConfig, NamesTheLineOfBrokenYaml) {
  EXPECT_NE(ErrorOf("labels: [a\nb: {").find("iris/muster.yaml line"), std::string::npos);
}

}  // namespace
}  // namespace muster::registry
