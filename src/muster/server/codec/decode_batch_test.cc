// Many rows in one body: `inputs` on the batch route and `instances`.
#include <gmock/gmock.h>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using tensor::DType;
using tensor::Shape;
using testing::HasSubstr;
using testing::StartsWith;
using Slots = std::pmr::vector<std::int64_t>;

std::vector<std::string> Errors(const DecodedBody& body) {
  std::vector<std::string> told;
  for (const SlotError& slot : body.errors) {
    told.push_back(std::to_string(slot.slot) + " " + std::string(slot.error.Reason()) + ": " +
                   slot.error.message);
  }
  return told;
}

TEST(DecodeBatch, AllRowsGoIntoOneTensor) {
  const auto body = Codec(Iris()).DecodeBatch(R"({"inputs":[[1,2,3,4],{"x":[5,6,7,8]},
      {"sepal_length":9,"sepal_width":10,"petal_length":11,"petal_width":12}]})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_TRUE(body->batch);
  EXPECT_EQ(body->slots, 3);
  ASSERT_EQ(body->calls.size(), 1u);
  EXPECT_EQ(body->calls[0].rows, 3);
  EXPECT_EQ(body->calls[0].slots, (Slots{0, 1, 2}));
  EXPECT_EQ(body->calls[0].inputs[0].shape(), (Shape{3, 4}));
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]),
            (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_TRUE(body->errors.empty());
}

TEST(DecodeBatch, ScalarsAreRowsOfOneElementModels) {
  const auto body = Codec(OneInput(DType::kFp32, {1})).DecodeBatch(R"({"inputs":[1,2,3,4,5]})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->calls[0].inputs[0].shape(), (Shape{5, 1}));
}

TEST(DecodeBatch, AnItemThatDoesNotFitFailsAlone) {
  const auto body = Codec(Iris()).DecodeBatch(
      R"({"inputs":[[1,2,3,4],[1,2,3],"x",[5,6,1e999,8],null,[1,[2],3,4],{"y":1},[9,10,11,12]]})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->slots, 8);
  EXPECT_EQ(body->calls[0].slots, (Slots{0, 7}));
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]),
            (std::vector<float>{1, 2, 3, 4, 9, 10, 11, 12}));
  EXPECT_THAT(Errors(*body),
              testing::ElementsAre(
                  "1 SHAPE: inputs[1]: expected 4 elements, got 3",
                  "2 TYPE: inputs[2]: expected a row of FP32 [4], got \"x\"",
                  "3 OUT_OF_RANGE: inputs[3][2]: expected a number (FP32) in its range, got 1e999",
                  "4 TYPE: inputs[4]: expected a row of FP32 [4], got null",
                  "5 TYPE: inputs[5][1]: expected a number (FP32), got a list",
                  StartsWith("6 UNKNOWN_INPUT: inputs[6].y: unknown")));
}

TEST(DecodeBatch, WhatIsNoJsonFailsTheBatchEvenInsideARefusedItem) {
  const Codec codec(Iris());
  EXPECT_THAT(codec.BatchRefusal(R"({"inputs":[[1,2,3,4],[true,NaN]]})"), StartsWith("JSON"));
  EXPECT_THAT(codec.BatchRefusal(R"({"inputs":[["x",[1,,2]],[1,2,3,4]]})"), StartsWith("JSON"));
  EXPECT_THAT(codec.BatchRefusal(R"({"inputs":[{"y":1,"z":"\ud800"},[1,2,3,4]]})"),
              StartsWith("JSON"));
  EXPECT_THAT(codec.BatchRefusal(R"({"inputs":[{"y":{"a":1,"a":2}}]})"),
              StartsWith("DUPLICATE_KEY"));
  std::string deep(100, '[');
  deep += std::string(100, ']');
  EXPECT_THAT(codec.BatchRefusal("{\"inputs\":[" + deep + "]}"), StartsWith("TOO_DEEP"));
  EXPECT_THAT(codec.BatchRefusal("{\"inputs\":[\"x\",{\"y\":" + deep + "}]}"),
              StartsWith("TOO_DEEP"));
}

TEST(DecodeBatch, RefusedItemsOfEveryFormLeaveTheNextOnesAlone) {
  const Codec codec(
      FakeVersion("pair", {Spec("a", DType::kFp32, {-1, 1}), Spec("b", DType::kFp32, {-1, 2})},
                  {Spec("y", DType::kFp32, {-1, 1})}));
  const std::vector<std::string> bad = {"[]",
                                        "{}",
                                        "[[]]",
                                        "[{}]",
                                        "{\"a\":[]}",
                                        "{\"a\":1,\"b\":[1,[2]]}",
                                        "1",
                                        "null",
                                        "true",
                                        "\"\"",
                                        "[[1],[2,[3]]]",
                                        "{\"a\":[1,2],\"b\":1,\"c\":{\"d\":[]}}",
                                        "{\"b\":[],\"a\":{}}"};
  for (const std::string& item : bad) {
    const auto body = codec.DecodeBatch("{\"inputs\":[{\"a\":1,\"b\":[2,3]}," + item + "," + item +
                                        ",{\"b\":[5,6],\"a\":4}]}");
    ASSERT_TRUE(body) << item << " " << body.error().ToString();
    EXPECT_EQ(body->errors.size(), 2u) << item;
    EXPECT_EQ(body->calls[0].slots, (Slots{0, 3})) << item;
    EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{1, 4})) << item;
    EXPECT_EQ(Values<float>(body->calls[0].inputs[1]), (std::vector<float>{2, 3, 5, 6})) << item;
  }
}

TEST(DecodeBatch, NothingAtAllIsRefused) {
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"inputs":[]})"), StartsWith("EMPTY_BATCH"));
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"instances":[]})"), StartsWith("EMPTY_BATCH"));
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"instances":[]})"), StartsWith("EMPTY_BATCH"));
}

TEST(DecodeBatch, OnlyAListIsABatch) {
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"inputs":{"x":[[1,2,3,4]]}})"), StartsWith("TYPE"));
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"inputs":5})"), StartsWith("TYPE"));
  EXPECT_THAT(Codec(Iris()).BatchRefusal(R"({"inputs":{"x":NaN}})"), StartsWith("JSON"));
}

TEST(DecodeBatch, ABatchWithoutAGoodItemHasNoCall) {
  const auto body = Codec(Iris()).DecodeBatch(R"({"inputs":["a","b"]})");
  ASSERT_TRUE(body);
  EXPECT_TRUE(body->calls.empty());
  EXPECT_EQ(body->errors.size(), 2u);
  EXPECT_EQ(body->model->name, "iris");
}

TEST(DecodeBatch, RowsAreLimited) {
  Codec codec(OneInput(DType::kFp32, {1}));
  codec.limits.max_rows = 3;
  EXPECT_TRUE(codec.DecodeBatch(R"({"inputs":[1,2,3]})"));
  EXPECT_THAT(codec.BatchRefusal(R"({"inputs":[1,2,3,4]})"), StartsWith("TOO_MANY_VALUES"));
}

TEST(DecodeBatch, TheReasonsOfManyRefusedItemsAreNotAllKept) {
  std::string json = "{\"inputs\":[";
  for (int i = 0; i < 5000; ++i) json += "null,";
  const auto body = Codec(Iris()).DecodeBatch(json + "null]}");
  ASSERT_TRUE(body);
  ASSERT_EQ(body->errors.size(), 5001u);
  EXPECT_FALSE(body->errors[999].error.message.empty());
  EXPECT_TRUE(body->errors[1000].error.message.empty());
  EXPECT_EQ(body->errors[1000].error.reason, "TYPE");
}

TEST(DecodeBatch, RowsOfDifferentShapesGoToDifferentCalls) {
  const auto body =
      Codec(OneInput(DType::kFp32, {-1}))
          .DecodeBatch(R"({"inputs":[[1,2],[3],[4,5],[6,7,8],[9],"x",[10,11],[12,13,14]]})");
  ASSERT_TRUE(body) << body.error().ToString();
  ASSERT_EQ(body->calls.size(), 3u);
  EXPECT_EQ(body->calls[0].slots, (Slots{0, 2, 6}));
  EXPECT_EQ(body->calls[0].inputs[0].shape(), (Shape{3, 2}));
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{1, 2, 4, 5, 10, 11}));
  EXPECT_EQ(body->calls[1].slots, (Slots{1, 4}));
  EXPECT_EQ(Values<float>(body->calls[1].inputs[0]), (std::vector<float>{3, 9}));
  EXPECT_EQ(body->calls[2].slots, (Slots{3, 7}));
  EXPECT_EQ(Values<float>(body->calls[2].inputs[0]), (std::vector<float>{6, 7, 8, 12, 13, 14}));
}

TEST(DecodeBatch, StringRowsOfDifferentShapesToo) {
  const auto body = Codec(OneInput(DType::kBytes, {-1}))
                        .DecodeBatch(R"({"inputs":[["a","b"],["c"],["d","e"],["f"]]})");
  ASSERT_TRUE(body) << body.error().ToString();
  ASSERT_EQ(body->calls.size(), 2u);
  EXPECT_EQ(Values<std::string>(body->calls[0].inputs[0]),
            (std::vector<std::string>{"a", "b", "d", "e"}));
  EXPECT_EQ(Values<std::string>(body->calls[1].inputs[0]), (std::vector<std::string>{"c", "f"}));
}

TEST(DecodeBatch, ManyRowsKeepTheirValues) {
  std::string json = "{\"inputs\":[";
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 20'000; ++i) {
    json += "[" + std::to_string(i) + "," + std::to_string(-i) + "],";
    expected.insert(expected.end(), {i, -i});
  }
  json.back() = ']';
  const auto body = Codec(OneInput(DType::kInt64, {2})).DecodeBatch(json + "}");
  ASSERT_TRUE(body);
  EXPECT_EQ(Values<std::int64_t>(body->calls[0].inputs[0]), expected);
}

TEST(DecodeInstances, ItemsAreObjectsOrBareLists) {
  const auto body = Codec(Iris()).Decode(
      R"({"instances":[{"features":[1,2,3,4]},[5,6,7,8],{"model_id":null,"features":[9,10,11,12]}],
          "max_parallelism":4})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->dialect, Dialect::kInstances);
  EXPECT_TRUE(body->batch);
  EXPECT_EQ(body->max_parallelism, 4);
  ASSERT_EQ(body->calls.size(), 1u);
  EXPECT_EQ(body->calls[0].rows, 3);
  EXPECT_TRUE(Codec(Iris()).DecodeBatch(R"({"instances":[[1,2,3,4]]})"));
}

TEST(DecodeInstances, EachItemMayNameItsModel) {
  Codec codec(Iris());
  codec.Add(OneInput(DType::kInt64, {1}));
  const auto body = codec.Decode(
      R"({"instances":[{"features":[1,2,3,4]},{"features":[7],"model_id":"m"},
          {"features":[1],"model_id":"rose"},{"model_id":"m","features":8},
          {"model_id":"iris","features":[5,6,7,8]}]})");
  ASSERT_TRUE(body) << body.error().ToString();
  ASSERT_EQ(body->calls.size(), 3u);
  EXPECT_EQ(body->calls[0].slots, (Slots{0}));
  EXPECT_EQ(body->calls[1].model->name, "m");
  EXPECT_EQ(body->calls[1].slots, (Slots{1, 3}));
  EXPECT_EQ(Values<std::int64_t>(body->calls[1].inputs[0]), (std::vector<std::int64_t>{7, 8}));
  EXPECT_THAT(Errors(*body), testing::ElementsAre("2 NOT_FOUND: no model \"rose\""));
}

TEST(DecodeInstances, AnItemThatDoesNotFitFailsAlone) {
  const auto body = Codec(Iris()).Decode(
      R"({"instances":[{"feature":[1,2,3,4]},{"features":[1,2]},{"features":[1,2,3,4],"model_id":5},
          {"features":{"sepal_length":true}},{"features":[1,2,3,4],"extra":{"a":[1]}},7]})");
  ASSERT_TRUE(body) << body.error().ToString();
  EXPECT_EQ(body->calls[0].slots, (Slots{4}));
  EXPECT_THAT(Errors(*body),
              testing::ElementsAre(
                  "0 MISSING_INPUT: instances[0]: missing \"features\"",
                  "1 SHAPE: instances[1].features: expected 4 elements, got 2",
                  StartsWith("2 FIELD: instances[2].model_id: expected a name"),
                  "3 TYPE: instances[3].features.sepal_length: expected a number (FP32), got true",
                  StartsWith("5 SHAPE: instances[5]: expected a row of FP32 [4]")));
}

TEST(DecodeInstances, WhatIsNoJsonFailsTheBatch) {
  const Codec codec(Iris());
  EXPECT_THAT(codec.Refusal(R"({"instances":[{"features":[1,2,3,4],"x":NaN}]})"),
              StartsWith("JSON"));
  EXPECT_THAT(codec.Refusal(R"({"instances":[{"features":[1,2,NaN,4],"model_id":5}]})"),
              StartsWith("JSON"));
  EXPECT_THAT(codec.Refusal(R"({"instances":[{"features":[1,,2],"model_id":"rose"},[1,2,3,4]]})"),
              StartsWith("JSON"));
  EXPECT_THAT(codec.Refusal(R"({"instances":[{"features":[1],"features":[1]}]})"),
              StartsWith("DUPLICATE_KEY"));
  EXPECT_THAT(codec.Refusal(R"({"instances":[{"x":1,"x":2}]})"), StartsWith("DUPLICATE_KEY"));
}

TEST(DecodeInstances, WithoutAnyModelTheBatchIsRefused) {
  EXPECT_THAT(Codec(Iris()).Refusal(R"({"instances":[[1,2,3,4]],"model_id":"rose"})"),
              StartsWith("NOT_FOUND"));
  EXPECT_THAT(Codec(OneInput(DType::kFp16, {1})).Refusal(R"({"instances":[[1]]})"),
              StartsWith("TYPE"));
}

TEST(DecodeInstances, AnItemMustNotContradictThePath) {
  Codec codec(Iris());
  codec.context.model = "iris";
  const auto body = codec.Decode(R"({"instances":[[1,2,3,4],{"features":[1],"model_id":"rose"}]})");
  ASSERT_TRUE(body);
  EXPECT_THAT(Errors(*body), testing::ElementsAre(StartsWith("1 FIELD")));
}

}  // namespace
}  // namespace muster::server::codec
