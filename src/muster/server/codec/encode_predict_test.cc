#include <array>
#include <cmath>
#include <gmock/gmock.h>
#include <memory_resource>

#include <nlohmann/json.hpp>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using tensor::DType;
using tensor::Tensor;

/// The answer of a version to rows of one call, as an engine would give it.
class Answered {
 public:
  Answered(const DecodedBody& body, std::size_t call, base::TimePoint finished)
      : model_(body.calls[call].model) {
    const std::int64_t rows = body.calls[call].rows;
    work_.row_shares.assign(static_cast<std::size_t>(rows), 500us);
    work_.batch_size = 8;
    work_.queue = 2ms;
    work_.inference = 3ms;
    work_.finished = finished;
  }
  Answered& Part(std::int64_t first_row, tensor::TensorList outputs) {
    const std::int64_t rows = outputs[0].rows();
    work_.parts.push_back({.first_row = first_row, .rows = rows, .outputs = std::move(outputs)});
    return *this;
  }
  Answered& Failed(std::int64_t row, base::Error error) {
    work_.errors.push_back({.row = row, .error = std::move(error)});
    return *this;
  }
  Answered& Cold() {
    cold_ = true;
    return *this;
  }
  operator CallResult() const {  // NOLINT
    return engine::PredictResponse{.model = model_, .work = work_, .cold_start = cold_};
  }

 private:
  engine::ModelLease model_;
  engine::PredictResult work_;
  bool cold_ = false;
};

class EncodeTest : public testing::Test {
 protected:
  EncodeTest() {
    received_ = clock_.Now();
    clock_.Advance(1ms);
    submitted_ = clock_.Now();
    clock_.Advance(5ms);
    finished_ = clock_.Now();
    clock_.Advance(250us);
  }

  DecodedBody Decoded(std::string_view text, bool batch = false) {
    auto body = batch ? codec_.DecodeBatch(text) : codec_.Decode(text);
    EXPECT_TRUE(body) << body.error().ToString();
    return *std::move(body);
  }
  Answered For(const DecodedBody& body, std::size_t call = 0) {
    return Answered(body, call, finished_);
  }
  base::Status Encode(const DecodedBody& body, const std::vector<CallResult>& results) {
    const AnswerContext context{.request_id = "req_1",
                                .framework_version = "0.1.0",
                                .received = received_,
                                .submitted = submitted_,
                                .clock = &clock_};
    text_.clear();
    return EncodePredict(text_, body, results, context);
  }
  json Encoded(const DecodedBody& body, const std::vector<CallResult>& results) {
    EXPECT_TRUE(Encode(body, results));
    json parsed = json::parse(text_, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << text_;
    return parsed;
  }
  static tensor::TensorList IrisOutputs(std::vector<std::int64_t> labels, std::vector<float> p) {
    const auto rows = static_cast<std::int64_t>(labels.size());
    return {Tensor::Of<std::int64_t>({rows}, labels), Tensor::Of<float>({rows, 3}, p)};
  }

  base::FakeClock clock_{base::WallTime(1'767'323'045'000ms)};
  base::TimePoint received_;
  base::TimePoint submitted_;
  base::TimePoint finished_;
  Codec codec_{Iris()};
  std::string text_;
};

TEST_F(EncodeTest, SingleInputsHasEveryField) {
  const DecodedBody body = Decoded(R"({"inputs":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({1}, {0.125f, 0.75f, 0.125f}))});
  EXPECT_EQ(answer, json::parse(R"({
    "success": true,
    "result": {"label": 1, "probabilities": [0.125, 0.75, 0.125]},
    "label": "versicolor",
    "error": null,
    "model_name": "iris", "model_version": "1",
    "inference_time_ms": 6.25, "processing_time": 0.00625,
    "timestamp": "2026-01-02T03:04:05.006Z", "request_id": "req_1",
    "metadata": {"framework_version": "0.1.0", "model_version": "1",
                 "input_shape": [1, 4],
                 "output_shape": {"label": [1], "probabilities": [1, 3]},
                 "batch_size": 8,
                 "processing_time": {"preprocessing_ms": 1, "queue_ms": 2, "inference_ms": 3,
                                     "postprocessing_ms": 0.25}}})"));
}

TEST_F(EncodeTest, OneOutputIsTheResultItself) {
  codec_ = Codec(
      FakeVersion("m", {Spec("x", DType::kFp32, {-1, 1})}, {Spec("y", DType::kFp32, {-1, 3})}));
  const DecodedBody body = Decoded(R"({"inputs":42})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 3}, {1, 2, 3.5f})})});
  EXPECT_EQ(answer["result"], json({1, 2, 3.5}));
  EXPECT_EQ(answer["metadata"]["output_shape"], json({1, 3}));
  EXPECT_FALSE(answer.contains("label"));
  EXPECT_FALSE(answer.contains("classes"));
}

TEST_F(EncodeTest, AnAxislessRowIsAScalar) {
  codec_ =
      Codec(FakeVersion("m", {Spec("x", DType::kFp32, {-1})}, {Spec("y", DType::kFp32, {-1})}));
  const DecodedBody body = Decoded(R"({"inputs":42})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1}, {7})})});
  EXPECT_EQ(answer["result"], json(7));
  EXPECT_EQ(answer["metadata"]["input_shape"], json::parse("[1]"));
}

TEST_F(EncodeTest, TheClientsIdWins) {
  const DecodedBody body = Decoded(R"({"id":"mine \"1\"","inputs":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({0}, {1, 0, 0}))});
  EXPECT_EQ(answer["request_id"], "mine \"1\"");
}

TEST_F(EncodeTest, TopKNamesTheMostProbableClasses) {
  const DecodedBody body = Decoded(R"({"top_k":2,"inputs":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({2}, {0.25f, 0.25f, 0.5f}))});
  EXPECT_EQ(answer["classes"], json::parse(R"([{"class_id":2,"label":"virginica","confidence":0.5},
                            {"class_id":0,"label":"setosa","confidence":0.25}])"));
}

TEST_F(EncodeTest, TopKBeyondTheClassesGivesAllOfThem) {
  const DecodedBody body = Decoded(R"({"top_k":9223372036854775807,"inputs":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({2}, {0.25f, NAN, 0.5f}))});
  ASSERT_EQ(answer["classes"].size(), 3u);
  EXPECT_EQ(answer["classes"][2]["class_id"], 1);
  EXPECT_EQ(answer["classes"][2]["confidence"], nullptr);
}

TEST_F(EncodeTest, NonfiniteNumbersAreNullAndSaidSo) {
  codec_ = Codec(OneInput(DType::kFp32, {2}));
  const DecodedBody body = Decoded(R"({"inputs":[1,2]})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 2}, {NAN, 1})})});
  EXPECT_EQ(answer["result"], json({nullptr, 1}));
  EXPECT_EQ(answer["metadata"]["nonfinite"], true);
}

TEST_F(EncodeTest, ASingleRowThatFailedIsTheError) {
  const DecodedBody body = Decoded(R"({"inputs":[1,2,3,4]})");
  const base::Status status =
      Encode(body, {For(body).Failed(0, base::InvalidArgument("no", "INPUT_REJECTED_BY_MODEL"))});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "INPUT_REJECTED_BY_MODEL");
  EXPECT_EQ(text_, "");
}

TEST_F(EncodeTest, ACallThatFailedIsTheError) {
  for (const bool batch : {false, true}) {
    const DecodedBody body =
        Decoded(batch ? R"({"inputs":[[1,2,3,4],"x"]})" : R"({"inputs":[1,2,3,4]})", batch);
    const base::Status status = Encode(body, {base::Unavailable("full", "QUEUE_FULL")});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().reason, "QUEUE_FULL");
    EXPECT_EQ(text_, "");
  }
}

TEST_F(EncodeTest, BatchHasEveryField) {
  codec_ = Codec(FakeVersion("example", {Spec("x", DType::kFp32, {-1, 1})},
                             {Spec("y", DType::kFp32, {-1, 3})}));
  const DecodedBody body = Decoded(R"({"inputs":[1,2]})", true);
  const json answer =
      Encoded(body, {For(body).Part(0, {Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6})})});
  EXPECT_EQ(answer, json::parse(R"({
    "success": true,
    "predictions": [[1, 2, 3], [4, 5, 6]],
    "model_name": "example",
    "inference_time_ms": 6.25,
    "timestamp": "2026-01-02T03:04:05.006Z", "request_id": "req_1",
    "batch_info": {"batch_size": 2, "successful_predictions": 2, "failed_predictions": 0,
                   "failed_indices": [], "failure_reasons": [],
                   "processing_time": {"preprocessing_ms": 1, "queue_ms": 2, "inference_ms": 3,
                                       "postprocessing_ms": 0.25}},
    "metadata": {"framework_version": "0.1.0", "model_version": "1",
                 "input_shape": [2, 1], "output_shape": [2, 3], "batch_size": 8,
                 "processing_time": {"preprocessing_ms": 1, "queue_ms": 2, "inference_ms": 3,
                                     "postprocessing_ms": 0.25},
                 "batch_processing": true, "individual_inference_times": [0.5, 0.5]},
    "warnings": []})"));
}

TEST_F(EncodeTest, FailedItemsKeepTheirPlaces) {
  const DecodedBody body =
      Decoded(R"({"inputs":[[1,2,3,4],"x",[5,6,7,8],[9,9,9,9],[1,1,1,1]]})", true);
  // Rows 0, 2, 3, 4 were run; the third of them failed alone between two parts.
  const json answer = Encoded(
      body,
      {For(body)
           .Part(0, IrisOutputs({0, 1}, {1, 0, 0, 0, 1, 0}))
           .Failed(2, base::InvalidArgument("the model refuses it", "INPUT_REJECTED_BY_MODEL"))
           .Part(3, IrisOutputs({2}, {0, 0, 1}))});
  EXPECT_EQ(answer["success"], true);
  EXPECT_EQ(answer["predictions"][0]["label"], 0);
  EXPECT_EQ(answer["predictions"][1], nullptr);
  EXPECT_EQ(answer["predictions"][2]["label"], 1);
  EXPECT_EQ(answer["predictions"][3], nullptr);
  EXPECT_EQ(answer["predictions"][4]["label"], 2);
  EXPECT_EQ(answer["labels"], json({"setosa", nullptr, "versicolor", nullptr, "virginica"}));
  EXPECT_EQ(answer["batch_info"]["failed_indices"], json({1, 3}));
  EXPECT_EQ(
      answer["batch_info"]["failure_reasons"],
      json({"Input validation failed for index 1: inputs[1]: expected a row of FP32 [4], got \"x\"",
            "Prediction failed for index 3: the model refuses it"}));
  EXPECT_EQ(answer["batch_info"]["batch_size"], 5);
  EXPECT_EQ(answer["batch_info"]["successful_predictions"], 3);
  EXPECT_EQ(answer["batch_info"]["failed_predictions"], 2);
  EXPECT_EQ(answer["metadata"]["input_shape"], json({4, 4}));
  EXPECT_EQ(answer["metadata"]["output_shape"]["probabilities"], json({3, 3}));
  EXPECT_EQ(answer["metadata"]["individual_inference_times"], json({0.5, 0, 0.5, 0.5, 0.5}));
  ASSERT_EQ(answer["warnings"].size(), 1u);
  EXPECT_THAT(answer["warnings"][0].get<std::string>(), testing::StartsWith("2 of 5 predictions"));
}

TEST_F(EncodeTest, ABatchOfWhichNothingCouldBeDecodedIsAnswered) {
  const DecodedBody body = Decoded(R"({"inputs":["x","y"]})", true);
  const json answer = Encoded(body, {});
  EXPECT_EQ(answer["success"], false);
  EXPECT_EQ(answer["predictions"], json({nullptr, nullptr}));
  EXPECT_EQ(answer["model_name"], "iris");
  EXPECT_EQ(answer["metadata"]["input_shape"], nullptr);
  EXPECT_EQ(answer["metadata"]["output_shape"], nullptr);
  EXPECT_EQ(answer["inference_time_ms"], 6.25);
}

TEST_F(EncodeTest, RowsOfSeveralCallsComeBackInOrder) {
  codec_ = Codec(OneInput(DType::kFp32, {-1}));
  const DecodedBody body = Decoded(R"({"inputs":[[1,2],[3],[4,5]]})", true);
  ASSERT_EQ(body.calls.size(), 2u);
  const json answer =
      Encoded(body, {For(body, 0).Part(0, {Tensor::Of<float>({2, 2}, {1, 2, 4, 5})}),
                     For(body, 1).Part(0, {Tensor::Of<float>({1, 1}, {3})})});
  EXPECT_EQ(answer["predictions"], json::parse("[[1,2],[3],[4,5]]"));
  EXPECT_EQ(answer["metadata"]["input_shape"], json({3, -1}));
}

TEST_F(EncodeTest, OneOfSeveralCallsThatFailsFailsItsItems) {
  codec_ = Codec(OneInput(DType::kFp32, {-1}));
  const DecodedBody body = Decoded(R"({"inputs":[[1,2],[3],[4,5]]})", true);
  const json answer = Encoded(body, {base::Unavailable("full", "QUEUE_FULL"),
                                     For(body, 1).Part(0, {Tensor::Of<float>({1, 1}, {3})})});
  EXPECT_EQ(answer["predictions"], json::parse("[null,[3],null]"));
  EXPECT_EQ(answer["batch_info"]["failure_reasons"][0], "Prediction failed for index 0: full");
}

TEST_F(EncodeTest, ARowNobodyAnsweredFails) {
  const DecodedBody body = Decoded(R"({"inputs":[[1,2,3,4],[1,2,3,4]]})", true);
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({0}, {1, 0, 0}))});
  EXPECT_EQ(answer["batch_info"]["failed_indices"], json::parse("[1]"));
}

TEST_F(EncodeTest, TopKOfABatchIsPerRow) {
  const DecodedBody body = Decoded(R"({"top_k":1,"inputs":["x",[1,2,3,4]]})", true);
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({1}, {0, 1, 0}))});
  EXPECT_EQ(answer["classes"],
            json::parse(R"([null,[{"class_id":1,"label":"versicolor","confidence":1}]])"));
}

TEST_F(EncodeTest, ThePartsOfInferenceTimeSumToIt) {
  const DecodedBody body = Decoded(R"({"inputs":[1,2,3,4]})");
  clock_.Advance(base::Duration(123'457));
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({1}, {0, 1, 0}))});
  double sum = 0;
  for (const auto& [key, value] : answer["metadata"]["processing_time"].items()) {
    sum += value.get<double>();
  }
  EXPECT_NEAR(answer["inference_time_ms"].get<double>(), sum, 1e-9);
  EXPECT_NEAR(answer["processing_time"].get<double>() * 1000, sum, 1e-9);
}

TEST_F(EncodeTest, FeaturesHasEveryField) {
  const DecodedBody body = Decoded(R"({"features":[1,2,3,4]})");
  const json answer =
      Encoded(body, {For(body).Cold().Part(0, IrisOutputs({1}, {0.125f, 0.75f, 0.125f}))});
  EXPECT_EQ(answer, json::parse(R"({"prediction": 1, "label": "versicolor", "confidence": 0.75,
    "probabilities": [0.125, 0.75, 0.125], "latency_ms": 6.25, "cold_start": true,
    "model_id": "iris", "model_version": "1"})"));
}

TEST_F(EncodeTest, ConfidenceIsNullWhereTheModelGivesNone) {
  codec_ = Codec(
      FakeVersion("m", {Spec("x", DType::kFp32, {-1, 1})}, {Spec("y", DType::kFp32, {-1, 1})}));
  const DecodedBody body = Decoded(R"({"features":[1]})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 1}, {2.5f})})});
  EXPECT_EQ(answer, json::parse(R"({"prediction": 2.5, "confidence": null, "latency_ms": 6.25,
    "cold_start": false, "model_id": "m", "model_version": "1"})"));
}

TEST_F(EncodeTest, ANonfinitePredictionIsNullAndSaidSo) {
  codec_ = Codec(
      FakeVersion("m", {Spec("x", DType::kFp32, {-1, 1})}, {Spec("y", DType::kFp32, {-1, 1})}));
  const DecodedBody body = Decoded(R"({"features":[1]})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 1}, {INFINITY})})});
  EXPECT_EQ(answer["prediction"], nullptr);
  EXPECT_EQ(answer["nonfinite"], true);
}

TEST_F(EncodeTest, TheClassIsTheMostProbableWhereNoOutputNamesIt) {
  codec_ = Codec(FakeVersion("m", {Spec("x", DType::kFp32, {-1, 1})},
                             {Spec("probabilities", DType::kFp32, {-1, 3})}, {"a", "b", "c"}));
  const DecodedBody body = Decoded(R"({"features":[1]})");
  json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 3}, {0.25f, NAN, 0.5f})})});
  EXPECT_EQ(answer["prediction"], 2);
  EXPECT_EQ(answer["label"], "c");
  EXPECT_EQ(answer["confidence"], 0.5);
  EXPECT_EQ(answer["nonfinite"], true);
  answer = Encoded(body, {For(body).Part(0, {Tensor::Of<float>({1, 3}, {NAN, NAN, NAN})})});
  EXPECT_EQ(answer["prediction"], nullptr);
  EXPECT_EQ(answer["label"], nullptr);
  EXPECT_EQ(answer["confidence"], nullptr);
}

TEST_F(EncodeTest, LabelsThatAreClassNumbersAreFoundByNumber) {
  auto digits = Iris();
  digits->spec.labels = {"3", "5", "1"};
  codec_ = Codec(digits);
  const DecodedBody body = Decoded(R"({"features":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({1}, {0, 0, 1}))});
  EXPECT_EQ(answer["prediction"], 1);
  EXPECT_EQ(answer["label"], "1");
}

TEST_F(EncodeTest, AStringPredictionIsItsOwnLabel) {
  auto named = FakeVersion("named", {Spec("x", DType::kFp32, {-1, 1})},
                           {Spec("label", DType::kBytes, {-1})}, {"yes", "no"});
  codec_ = Codec(named);
  const DecodedBody body = Decoded(R"({"features":[1]})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<std::string>({1}, {"no"})})});
  EXPECT_EQ(answer["prediction"], "no");
  EXPECT_EQ(answer["label"], "no");
}

TEST_F(EncodeTest, InstancesHaveEveryField) {
  const DecodedBody body = Decoded(R"({"instances":[[1,2,3,4],[1],[5,6,7,8]]})");
  const json answer =
      Encoded(body, {For(body)
                         .Cold()
                         .Part(0, IrisOutputs({1}, {0.125f, 0.75f, 0.125f}))
                         .Failed(1, base::InvalidArgument("refused", "INPUT_REJECTED_BY_MODEL"))});
  EXPECT_EQ(answer, json::parse(R"({"predictions": [
      {"prediction": 1, "label": "versicolor", "confidence": 0.75,
       "probabilities": [0.125, 0.75, 0.125], "latency_ms": 0.5, "cold_start": true},
      {"prediction": null, "confidence": null, "latency_ms": 0, "cold_start": false,
       "error": "instances[1]: expected 4 elements, got 1"},
      {"prediction": null, "confidence": null, "latency_ms": 0.5, "cold_start": true,
       "error": "refused"}],
    "total_latency_ms": 6.25, "success_count": 1, "error_count": 2})"));
}

TEST_F(EncodeTest, InstancesOfSeveralModelsTakeTheLastOnesTimes) {
  codec_.Add(
      FakeVersion("m", {Spec("x", DType::kFp32, {-1, 1})}, {Spec("y", DType::kFp32, {-1, 1})}));
  const DecodedBody body = Decoded(
      R"({"instances":[{"model_id":"m","features":[1]},[1,2,3,4],{"model_id":"m","features":[2]}]})");
  ASSERT_EQ(body.calls.size(), 2u);
  const CallResult early =
      Answered(body, 0, finished_ - 2ms).Part(0, {Tensor::Of<float>({2, 1}, {10, 20})});
  const json answer = Encoded(body, {early, For(body, 1).Part(0, IrisOutputs({0}, {1, 0, 0}))});
  EXPECT_EQ(answer["predictions"][0]["prediction"], 10);
  EXPECT_EQ(answer["predictions"][1]["prediction"], 0);
  EXPECT_EQ(answer["predictions"][2]["prediction"], 20);
  EXPECT_EQ(answer["total_latency_ms"], 6.25);
}

TEST_F(EncodeTest, TextsFromOutsideAreEscaped) {
  auto odd = FakeVersion("odd", {Spec("x", DType::kFp32, {-1, 1})},
                         {Spec("a\"b", DType::kBytes, {-1}), Spec("\xFF", DType::kFp32, {-1})},
                         {"<img onerror=\"x\">\n"});
  codec_ = Codec(odd);
  const DecodedBody body = Decoded(R"({"inputs":[1]})");
  const json answer = Encoded(body, {For(body).Part(0, {Tensor::Of<std::string>({1}, {"\x01\xC3"}),
                                                        Tensor::Of<float>({1}, {1})})});
  EXPECT_EQ(answer["result"]["a\"b"], "\x01\xEF\xBF\xBD");
}

TEST_F(EncodeTest, AppendsToWhatIsThere) {
  const DecodedBody body = Decoded(R"({"features":[1,2,3,4]})");
  std::string out = "prefix ";
  const std::vector<CallResult> results = {For(body).Part(0, IrisOutputs({1}, {0, 1, 0}))};
  ASSERT_TRUE(EncodePredict(out, body, results,
                            {.request_id = "",
                             .framework_version = "",
                             .received = received_,
                             .submitted = submitted_,
                             .clock = &clock_}));
  EXPECT_THAT(out, testing::StartsWith("prefix {\"prediction\":1,"));
}

TEST_F(EncodeTest, KeepsAllListsOfASmallBodyInTheMemoryItWasGiven) {
  std::array<std::byte, 3072> room;
  std::pmr::monotonic_buffer_resource memory(room.data(), room.size(),
                                             std::pmr::null_memory_resource());
  codec_.context.memory = &memory;
  const DecodedBody body = Decoded(R"({"inputs":[1,2,3,4]})");
  const json answer = Encoded(body, {For(body).Part(0, IrisOutputs({1}, {0.1f, 0.8f, 0.1f}))});
  EXPECT_EQ(answer["result"]["label"], 1);
}

}  // namespace
}  // namespace muster::server::codec
