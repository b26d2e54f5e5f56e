// Every time field of an answer, exactly, on a fake clock that only the fake model moves.

#include "muster/server/api/internal/predict_fixture.h"

namespace muster::server::api {
namespace {

using PredictTimes = PredictFixture;

void ExpectTimes(const json& times, double queue, double inference) {
  EXPECT_DOUBLE_EQ(times["preprocessing_ms"], 0);
  EXPECT_DOUBLE_EQ(times["queue_ms"], queue);
  EXPECT_DOUBLE_EQ(times["inference_ms"], inference);
  EXPECT_DOUBLE_EQ(times["postprocessing_ms"], 0);
}

TEST_F(PredictTimes, AreExactForABatchInARunOfItsOwn) {
  const json answer = Await(Post("/examples/batch", "{}"))["response"];
  EXPECT_EQ(answer["predictions"], json::parse("[[2.0],[4.0],[6.0],[8.0],[10.0]]"));
  EXPECT_DOUBLE_EQ(answer["inference_time_ms"], 7);  // 2 + 5
  ExpectTimes(answer["batch_info"]["processing_time"], 0, 7);
  EXPECT_EQ(answer["metadata"]["individual_inference_times"], json({1.4, 1.4, 1.4, 1.4, 1.4}));
}

TEST_F(PredictTimes, AreExactForRequestsThatShareARun) {
  loader_.last().Hold();
  auto first = Post("/predict/example", R"({"inputs": 1})");
  loader_.last().AwaitRunning(1);
  auto second = Post("/predict/example", R"({"inputs": 2})");
  auto third = Post("/predict/example/batch", R"({"inputs": [3, 4]})");
  clock_.Advance(milliseconds(10));  // the first run is held for as long
  loader_.last().ReleaseRuns(1);

  const json single = Await(first);
  EXPECT_DOUBLE_EQ(single["inference_time_ms"], 13);  // held 10, then 2 + 1
  ExpectTimes(single["metadata"]["processing_time"], 0, 13);

  loader_.last().ReleaseRuns(1);
  const json shared = Await(second);
  EXPECT_EQ(shared["metadata"]["batch_size"], 3);
  ExpectTimes(shared["metadata"]["processing_time"], 13, 5);  // 2 + 3 rows
  EXPECT_DOUBLE_EQ(shared["inference_time_ms"], 18);
  EXPECT_DOUBLE_EQ(shared["processing_time"], 0.018);

  const json batch = Await(third);
  ExpectTimes(batch["batch_info"]["processing_time"], 13, 5);
  const auto times = batch["metadata"]["individual_inference_times"];
  ASSERT_EQ(times.size(), 2u);
  EXPECT_NEAR(times[0], 5.0 / 3, 1e-6);
  EXPECT_NEAR(times[1], 5.0 / 3, 1e-6);
}

TEST_F(PredictTimes, AreExactWhenABatchIsBisected) {
  const json answer = Await(Post("/predict/example/batch", R"({"inputs": [1, 2, -999, 4]})"));
  EXPECT_EQ(answer["predictions"], json::parse("[[2.0],[4.0],null,[8.0]]"));
  EXPECT_EQ(answer["batch_info"]["failed_indices"], json({2}));
  EXPECT_EQ(answer["batch_info"]["failure_reasons"].size(), 1u);
  EXPECT_EQ(answer["warnings"].size(), 1u);
  // The whole 2+4 fails, the first half 2+2 succeeds, so the bad row is in the other: 2+1 and 2+1.
  // Between the request's runs the probe, 2+1, shows that the row is at fault and not the model.
  ExpectTimes(answer["batch_info"]["processing_time"], 3, 16);
  const auto times = answer["metadata"]["individual_inference_times"];
  EXPECT_EQ(times, json({1.5 + 2, 1.5 + 2, 1.5 + 3, 1.5 + 3}));
}

}  // namespace
}  // namespace muster::server::api
