#include "muster/bench/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utility>

#include "muster/model/fake_model.h"

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using model::Dim;
using model::FakeModel;
using model::FakeModelOptions;
using model::TensorSpec;
using tensor::DType;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Variants : public ::testing::Test {
 protected:
  Variant Fake(std::string name, base::Duration run, float factor = 2) {
    FakeModelOptions options;
    options.clock = &clock_;
    options.latency = [run](std::int64_t) { return run; };
    options.function = [factor](float x) { return factor * x; };
    return Made(std::move(name), options);
  }
  static Variant Made(std::string name, FakeModelOptions options) {
    return {std::move(name), std::make_unique<FakeModel>(std::move(options))};
  }
  template <class... V>
  base::Result<VariantsComparison> Compare(VariantsOptions options, V... variants) {
    std::vector<Variant> all;
    (all.push_back(std::move(variants)), ...);
    return CompareVariants(all, options, clock_);
  }

  base::FakeClock clock_;
};

TEST_F(Variants, AreSortedByTheirMedian) {
  const auto result = Compare({}, Fake("slow", 3ms), Fake("fast", 1ms), Fake("middle", 2ms));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT(result->variants,
              ElementsAre(Field(&VariantTimes::name, "fast"), Field(&VariantTimes::name, "middle"),
                          Field(&VariantTimes::name, "slow")));
  EXPECT_THAT(Report(*result), HasSubstr("fastest: fast, 2 times as fast as middle"));
}

TEST_F(Variants, HaveTheirAverageTailAndRate) {
  FakeModelOptions options;
  options.clock = &clock_;
  int runs = 0;
  // 8 runs find the inputs and 16 go through the 64 distinct ones; of the next 100, 3 are slow.
  options.latency = [&runs](std::int64_t) { return ++runs > 24 && runs % 33 == 0 ? 34ms : 1ms; };
  const auto result =
      Compare({.iterations = 100, .batch_size = 4}, Made("a", options), Fake("b", 10ms));
  ASSERT_TRUE(result) << result.error().message;
  const VariantTimes& a = result->variants[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_NEAR(base::ToMillis(a.median), 1, 0.02);
  EXPECT_NEAR(base::ToMillis(a.average), (97 + 3 * 34) / 100.0, 0.05);
  EXPECT_NEAR(base::ToMillis(a.p95), 1, 0.02);
  EXPECT_NEAR(base::ToMillis(a.p99), 34, 0.4);
  EXPECT_NEAR(result->variants[1].rows_per_s, 400, 4) << "4 rows in 10 ms";
}

TEST_F(Variants, OneInterruptionDoesNotMakeASlowOneOfAFastOne) {
  FakeModelOptions options;
  options.clock = &clock_;
  int runs = 0;
  options.latency = [&runs](std::int64_t) { return ++runs == 100 ? 1000ms : 1ms; };
  const auto result = Compare({}, Fake("b", 2ms), Made("a", options));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->variants[0].name, "a");
  EXPECT_GT(result->variants[0].average, result->variants[1].average);
}

TEST_F(Variants, SayThatTheyAreEquallyFast) {
  const auto result = Compare({}, Fake("a", 1000us), Fake("b", 1010us), Fake("c", 2ms));
  ASSERT_TRUE(result);
  EXPECT_THAT(Report(*result), HasSubstr("fastest: a, within 3 % of it: b\n"));
}

TEST_F(Variants, NameTheTwoThatAreFarthestApart) {
  const auto result = Compare({}, Fake("a", 1ms, 2.0f), Fake("b", 1ms, 2.5f), Fake("c", 1ms, 1.0f));
  ASSERT_TRUE(result);
  ASSERT_THAT(result->differences, SizeIs(1));
  const OutputDifference& y = result->differences[0];
  EXPECT_EQ(y.output, "y");
  EXPECT_EQ(y.a, "b");
  EXPECT_EQ(y.b, "c");
  EXPECT_GT(y.largest, 2.5) << "1.5 · |x|, x up to ±2";
  EXPECT_LE(y.largest, 3.0);
  EXPECT_THAT(Report(*result), HasSubstr("largest difference"));
}

TEST_F(Variants, SayThatTheirOutputsAreTheSame) {
  const auto result = Compare({}, Fake("a", 1ms), Fake("b", 2ms));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->differences.at(0).differing, 0);
  EXPECT_EQ(result->differences.at(0).elements, 64);
  EXPECT_THAT(Report(*result), HasSubstr("output \"y\": the same in all, 64 elements compared"));
}

TEST_F(Variants, RefuseModelsOfOtherInputs) {
  const auto result = Compare({}, Fake("a", 1ms), Made("b", {.width = 3}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message,
            "the inputs of a and b differ: input 0 is \"x\" FP32 [N, 1] and \"x\" FP32 [N, 3]");
}

TEST_F(Variants, AreTwoAtLeast) {
  EXPECT_THAT(Compare({}, Fake("a", 1ms)).error().message, HasSubstr("at least two"));
}

TEST_F(Variants, NameTheOneWhoseRunFails) {
  FakeModelOptions options;
  options.fault = [](std::span<const float>, std::int64_t) -> base::Status {
    return base::InvalidArgument("no");
  };
  const auto result = Compare({}, Fake("a", 1ms), Made("broken", options));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("broken: no"));
}

TEST_F(Variants, RunBatchesOfTheSizeAskedFor) {
  const auto result = Compare({.iterations = 3, .batch_size = 100}, Fake("a", 1ms), Fake("b", 1ms));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->batch_size, 100);
  EXPECT_EQ(result->distinct_inputs, 100);
  EXPECT_FALSE(Compare({.iterations = 0}, Fake("a", 1ms), Fake("b", 1ms)));
  EXPECT_FALSE(Compare({.batch_size = 0}, Fake("a", 1ms), Fake("b", 1ms)));
}

TEST(DifferenceOf, NamesTheFirstAndLooksAtNamesTypesAndExtents) {
  const std::vector<TensorSpec> a = {{"x", DType::kFp32, {Dim{}, Dim{4, ""}}}};
  std::vector<TensorSpec> b = a;
  b[0].dims[0].symbol = "batch";
  EXPECT_THAT(DifferenceOf(a, b, "input"), IsEmpty()) << "the name of an open axis is the model's";
  b[0].dims[1].size = 5;
  EXPECT_THAT(DifferenceOf(a, b, "input"), HasSubstr("FP32 [batch, 5]"));
  b = a;
  b[0].name = "z";
  EXPECT_THAT(DifferenceOf(a, b, "input"), HasSubstr("\"z\""));
  b = a;
  b[0].dtype = DType::kFp64;
  EXPECT_THAT(DifferenceOf(a, b, "input"), HasSubstr("FP64"));
  EXPECT_EQ(DifferenceOf(a, {}, "output"), "1 and 0 outputs");
}

}  // namespace
}  // namespace muster::bench
