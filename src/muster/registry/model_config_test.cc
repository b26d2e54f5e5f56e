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

TEST(ModelConfig, NamesTheLineOfBrokenYaml) {
  EXPECT_NE(ErrorOf("labels: [a\nb: {").find("iris/muster.yaml line"), std::string::npos);
}

}  // namespace
}  // namespace muster::registry
