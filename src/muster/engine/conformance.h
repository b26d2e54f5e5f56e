#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "muster/base/fake_loop.h"
#include "muster/engine/engine.h"

namespace muster::engine {

/// An Engine that serves version "1" and "2" of a model "doubling" and version "1" of "other", each
/// with input "x" and output y = 2·x, FP32 [N, 1]; "doubling" is the default by name.
struct EngineUnderTest {
  std::function<std::unique_ptr<Engine>(base::Clock&)> make;
};

/// What every Engine promises to the front ends. In a header, so that no linker drops it:
///   INSTANTIATE_TEST_SUITE_P(Local, EngineConformance, testing::Values(...));
class EngineConformance : public testing::TestWithParam<EngineUnderTest> {
 protected:
  ~EngineConformance() override {
    engine_.reset();
    loop_.RunUntilIdle();
  }
  PredictRequest Request(std::vector<float> x) {
    PredictRequest request;
    request.model = *engine_->Resolve("doubling", "");
    request.rows = static_cast<std::int64_t>(x.size());
    request.inputs = {tensor::Tensor::Of<float>({request.rows, 1}, x)};
    return request;
  }
  base::Result<PredictResponse> Predict(PredictRequest request) {
    std::optional<base::Result<PredictResponse>> answer;
    engine_->Predict(std::move(request), &loop_, [&](auto r) { answer = std::move(r); });
    while (!answer) loop_.AwaitAndRun();
    return *std::move(answer);
  }

  base::FakeClock clock_;
  base::FakeLoop loop_{clock_};
  std::unique_ptr<Engine> engine_ = GetParam().make(clock_);
};

TEST_P(EngineConformance, AnswersEveryRowOnceInPartsByRow) {
  auto answer = Predict(Request({1, 2, 3}));
  ASSERT_TRUE(answer) << answer.error().message;
  std::vector<float> y;
  for (const auto& part : answer->work.parts) {
    EXPECT_EQ(part.first_row, static_cast<std::int64_t>(y.size()));
    const auto values = part.outputs.at(0).data<const float>();
    y.insert(y.end(), values.begin(), values.end());
  }
  EXPECT_EQ(y, (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(answer->work.row_shares.size(), 3u);
  EXPECT_TRUE(answer->work.errors.empty());
}

TEST_P(EngineConformance, CompletesOnceOnTheHomeLoopAndNeverInline) {
  int completions = 0;
  std::thread::id where;
  const auto complete = [&](auto) {
    ++completions;
    where = std::this_thread::get_id();
  };
  engine_->Predict(Request({1}), &loop_, complete);
  PredictRequest bad = Request({1});
  bad.inputs.clear();
  engine_->Predict(std::move(bad), &loop_, complete);
  EXPECT_EQ(completions, 0);
  while (completions < 2) loop_.AwaitAndRun();
  loop_.RunUntilIdle();
  EXPECT_EQ(completions, 2);
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_P(EngineConformance, RefusesWhatTheModelDoesNotTake) {
  PredictRequest none = Request({1});
  none.inputs.clear();
  PredictRequest wide = Request({1, 2});
  wide.inputs = {tensor::Tensor::Of<float>({2, 2}, {1, 2, 3, 4})};
  PredictRequest other_type = Request({1});
  other_type.inputs = {tensor::Tensor::Of<std::int64_t>({1, 1}, {1})};
  PredictRequest short_rows = Request({1, 2});
  short_rows.rows = 3;
  PredictRequest no_rows = Request({1});
  no_rows.rows = 0;
  for (PredictRequest* request : {&none, &wide, &other_type, &short_rows, &no_rows}) {
    EXPECT_EQ(Predict(std::move(*request)).error().code, base::Code::kInvalidArgument);
  }
  PredictRequest sequence = Request({1});
  sequence.sequence_id = "s";
  EXPECT_EQ(Predict(std::move(sequence)).error().code, base::Code::kUnimplemented);
}

TEST_P(EngineConformance, AnswersACancelledRequestWithCancelled) {
  base::CancelSource source;
  source.request_stop();
  PredictRequest request = Request({1});
  request.cancelled = source.get_token();
  EXPECT_EQ(Predict(std::move(request)).error().code, base::Code::kCancelled);
}

TEST_P(EngineConformance, ResolvesNamesVersionsAndTheDefault) {
  EXPECT_EQ((*engine_->Resolve("doubling", ""))->version, "2");
  EXPECT_EQ((*engine_->Resolve("doubling", "1"))->version, "1");
  EXPECT_EQ((*engine_->Resolve("", ""))->name, "doubling");
  EXPECT_EQ(engine_->Resolve("nobody", "").error().Reason(), "MODEL_NOT_FOUND");
  EXPECT_EQ(engine_->Resolve("doubling", "3").error().Reason(), "VERSION_NOT_FOUND");
}

TEST_P(EngineConformance, NamesTheVersionThatAnswered) {
  PredictRequest request = Request({1});
  request.model = *engine_->Resolve("other", "1");
  EXPECT_EQ(Predict(std::move(request))->model->name, "other");
}

}  // namespace muster::engine
