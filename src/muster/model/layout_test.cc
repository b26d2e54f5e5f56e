#include "muster/model/layout.h"

#include <gtest/gtest.h>

namespace muster::model {
namespace {

using tensor::DType;

ModelSpec Spec(std::vector<TensorSpec> outputs, std::vector<std::string> labels = {}) {
  ModelSpec spec;
  spec.inputs = {{"x", DType::kFp32, {{Dim::kDynamic, "N"}, {4}}}};
  spec.outputs = std::move(outputs);
  spec.labels = std::move(labels);
  DeriveBatchAxis(spec);
  return spec;
}

const Dim kRows{Dim::kDynamic, "N"};

TEST(PredictionLayout, TakesLabelAndProbabilitiesOfAClassifier) {
  const auto layout = DeriveLayout(
      Spec({{"label", DType::kInt64, {kRows}}, {"probabilities", DType::kFp32, {kRows, {3}}}}));
  EXPECT_EQ(layout.prediction, 0);
  EXPECT_EQ(layout.probabilities, 1);
}

TEST(PredictionLayout, TakesTheOnlyScoresAsProbabilitiesWhereLabelsMatchThem) {
  const auto layout = DeriveLayout(
      Spec({{"y", DType::kFp32, {kRows, {3}}}}, {"setosa", "versicolor", "virginica"}));
  EXPECT_EQ(layout.probabilities, 0);
  EXPECT_EQ(layout.prediction, -1);
}

TEST(PredictionLayout, GivesNoProbabilitiesForUnlabelledScores) {
  const auto layout = DeriveLayout(Spec({{"y", DType::kFp32, {kRows, {3}}}}));
  EXPECT_EQ(layout.probabilities, -1);
  EXPECT_EQ(layout.prediction, 0);
}

TEST(PredictionLayout, TakesTheNumberOfARegression) {
  const auto layout = DeriveLayout(Spec({{"score", DType::kFp32, {kRows, {1}}}}));
  EXPECT_EQ(layout.probabilities, -1);
  EXPECT_EQ(layout.prediction, 0);
}

TEST(PredictionLayout, AcceptsAnOpenClassAxisOfAConverter) {
  const auto layout =
      DeriveLayout(Spec({{"output_label", DType::kBytes, {kRows}},
                         {"output_probability", DType::kFp32, {kRows, {Dim::kDynamic, ""}}}}));
  EXPECT_EQ(layout.prediction, 0);
  EXPECT_EQ(layout.probabilities, 1);
}

}  // namespace
}  // namespace muster::model
