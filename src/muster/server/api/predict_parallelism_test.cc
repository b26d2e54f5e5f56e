// `max_parallelism` and deadlines of bodies whose rows are run so many at a time.

#include "muster/server/api/internal/predict_fixture.h"

namespace muster::server::api {
namespace {

class PredictParallelism : public PredictFixture {
 protected:
  /// Two instances, each taking one row a run.
  static registry::ModelConfig TwoAtATime() {
    registry::ModelConfig config;
    config.instances = 2;
    config.max_batch_size = 1;
    return config;
  }
  std::uint64_t RequestsTo(std::string_view name) const {
    for (const engine::ModelStatus& m : engine_->Models()) {
      if (m.name == name) return m.request_count;
    }
    ADD_FAILURE() << "no model " << name;
    return 0;
  }
};

TEST_F(PredictParallelism, RowsThatWaitForEachOtherShareOneDeadline) {
  model::FakeModel& wide = Load("wide", TwoAtATime());
  const int before = wide.run_count();
  // 3 ms a row: the fourth ends too late, and the fifth must not even begin.
  const json answer = Await(Post("/predict/wide/batch", R"({"instances":
      [[1],[2],[3],[4],[5]], "max_parallelism": 1, "timeout": 0.010})"));
  EXPECT_EQ(answer["success_count"], 3);
  EXPECT_EQ(answer["error_count"], 2);
  for (const std::size_t late : {3u, 4u}) {
    EXPECT_TRUE(answer["predictions"][late].contains("error")) << answer;
  }
  EXPECT_EQ(wide.run_count() - before, 4);
}

TEST_F(PredictParallelism, RowsThatWaitForEachOtherShareTheDefaultDeadline) {
  registry::ModelConfig config = TwoAtATime();
  model::FakeModel& wide = Load("wide", config);
  wide.Hold();
  auto exchange =
      Post("/predict/wide/batch", R"({"instances": [[1],[2],[3]], "max_parallelism": 1})");
  wide.AwaitRunning(1);
  clock_.Advance(std::chrono::seconds(29));
  wide.ReleaseRuns(1);
  loop_.AwaitAndRun();
  wide.AwaitRunning(1);
  clock_.Advance(std::chrono::seconds(2));
  wide.Release();
  const json answer = Await(exchange);
  EXPECT_EQ(answer["success_count"], 1);
  EXPECT_EQ(answer["error_count"], 2);
}

TEST_F(PredictParallelism, TheWaitForOtherRowsCountsAsTime) {
  Load("wide", TwoAtATime());
  const json answer =
      Await(Post("/predict/wide/batch", R"({"instances": [[1],[2],[3]], "max_parallelism": 1})"));
  EXPECT_DOUBLE_EQ(answer["total_latency_ms"], 9);
}

TEST_F(PredictParallelism, HoldsForAllModelsOfABodyTogether) {
  model::FakeModel& first = Load("first", TwoAtATime());
  model::FakeModel& second = Load("second", TwoAtATime());
  first.Hold();
  auto exchange = Post("/predict/batch", R"({"max_parallelism": 2, "instances": [
      {"model_id": "first", "features": [1]}, {"model_id": "first", "features": [2]},
      {"model_id": "second", "features": [3]}, {"model_id": "second", "features": [4]}]})");
  first.AwaitRunning(2);
  EXPECT_EQ(RequestsTo("first"), 1u);
  EXPECT_EQ(RequestsTo("second"), 0u) << "three or four runs at a time";
  first.Release();
  const json answer = Await(exchange);
  EXPECT_EQ(answer["success_count"], 4);
  EXPECT_EQ(RequestsTo("second"), 1u);
  EXPECT_GT(second.run_count(), 0);
}

TEST_F(PredictParallelism, RunsModelsSideBySideWhereTheBoundAllows) {
  model::FakeModel& first = Load("first", TwoAtATime());
  model::FakeModel& second = Load("second", TwoAtATime());
  first.Hold();
  second.Hold();
  auto exchange = Post("/predict/batch", R"({"max_parallelism": 4, "instances": [
      {"model_id": "first", "features": [1]}, {"model_id": "first", "features": [2]},
      {"model_id": "second", "features": [3]}, {"model_id": "second", "features": [4]}]})");
  first.AwaitRunning(2);
  second.AwaitRunning(2);
  first.Release();
  second.Release();
  EXPECT_EQ(Await(exchange)["success_count"], 4);
}

}  // namespace
}  // namespace muster::server::api
