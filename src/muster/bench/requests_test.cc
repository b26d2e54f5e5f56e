#include "muster/bench/requests.h"

#include <cstring>
#include <gmock/gmock.h>
#include <set>

#include <nlohmann/json.hpp>

namespace muster::bench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

model::ModelSpec Iris() {
  return ReadModel(R"({"name":"iris","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}]})")
      .value();
}

model::ModelSpec Mixed() {
  return ReadModel(R"({"inputs":[{"name":"a","datatype":"INT64","shape":[-1,2]},
                                 {"name":"b","datatype":"BOOL","shape":[-1]}]})")
      .value();
}

TEST(Requests, ReadAModelsDescription) {
  const auto spec = Iris();
  EXPECT_EQ(spec.inputs[0].name, "x");
  EXPECT_EQ(spec.inputs[0].dtype, tensor::DType::kFp32);
  EXPECT_EQ(spec.batch_axis, model::BatchAxis::kDynamic);
  EXPECT_THAT(ReadModel("{}").error().message, HasSubstr("with its inputs, got `{}`"));
  EXPECT_THAT(ReadModel(R"({"inputs":[{"name":"x","datatype":"F4","shape":[1]}]})").error().message,
              HasSubstr("input `x`: expected datatype and shape"));
  EXPECT_FALSE(ReadModel(R"({"inputs":[5]})"));
  EXPECT_FALSE(ReadModel("nothing"));
}

TEST(Requests, DrawAsManyDifferentBodiesAsAskedFor) {
  const auto bodies = DrawBodies({.inputs = 512}, Iris()).value();
  EXPECT_EQ(std::set(bodies.begin(), bodies.end()).size(), 512u);
  const json body = json::parse(bodies[0]);
  EXPECT_EQ(body.size(), 1u);
  ASSERT_EQ(body["inputs"].size(), 4u);
  for (const json& value : body["inputs"]) {
    EXPECT_GE(value.get<double>(), 0);
    EXPECT_LT(value.get<double>(), 8);
  }
}

TEST(Requests, DrawTheSameForTheSameSeedAndOthersForAnother) {
  const auto draw = [](std::uint64_t seed) {
    return DrawBodies({.inputs = 20, .seed = seed}, Iris()).value();
  };
  EXPECT_EQ(draw(3), draw(3));
  EXPECT_NE(draw(3), draw(4));
}

TEST(Requests, DrawNoMoreThanTheTypesAllow) {
  const auto one = ReadModel(R"({"inputs":[{"name":"f","datatype":"BOOL","shape":[-1,1]}]})");
  EXPECT_EQ(DrawBodies({.inputs = 10}, *one).value().size(), 2u);
  const auto number = ReadModel(R"({"inputs":[{"name":"f","datatype":"FP32","shape":[-1,1]}]})");
  EXPECT_EQ(DrawBodies({.inputs = 512}, *number).value().size(), 512u);
}

TEST(Requests, CarrySeveralInputsByName) {
  const auto bodies = DrawBodies({.rows = 3, .inputs = 1}, Mixed()).value();
  const json rows = json::parse(bodies[0])["inputs"];
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2]["a"].size(), 2u);
  EXPECT_TRUE(rows[2]["a"][0].is_number_integer());
  EXPECT_TRUE(rows[2]["b"].is_boolean());
}

TEST(Requests, CarryRawElementsOfTheSameRows) {
  const auto rows = DrawRows(Iris(), 2, 1).value();
  const std::string raw = BodyOf(RequestKind::kRaw, Iris(), rows).value();
  const json text = json::parse(BodyOf(RequestKind::kJson, Iris(), rows).value())["inputs"];
  ASSERT_EQ(raw.size(), 2 * 4 * sizeof(float));
  for (std::size_t i = 0; i < 8; ++i) {
    float value = 0;
    std::memcpy(&value, raw.data() + i * sizeof value, sizeof value);
    EXPECT_EQ(value, text[i / 4][i % 4].get<float>());
  }
  EXPECT_THAT(DrawBodies({.kind = RequestKind::kRaw}, Mixed()).error().message,
              HasSubstr("carry one input; the model has 2"));
}

TEST(Requests, SpeakTheOpenInferenceProtocol) {
  const auto bodies = DrawBodies({.kind = RequestKind::kOip, .rows = 2, .inputs = 1}, Mixed());
  const json inputs = json::parse(bodies->at(0))["inputs"];
  EXPECT_EQ(inputs[0]["name"], "a");
  EXPECT_EQ(inputs[0]["datatype"], "INT64");
  EXPECT_EQ(inputs[0]["shape"], json({2, 2}));
  EXPECT_EQ(inputs[0]["data"].size(), 4u);
  EXPECT_EQ(inputs[1]["shape"], json({2}));
}

TEST(Requests, DrawHalfPrecisionThatReadsBackAsItIsWritten) {
  const auto half = ReadModel(R"({"inputs":[{"name":"h","datatype":"FP16","shape":[-1,8]}]})");
  const json values = json::parse(DrawBodies({.inputs = 1}, *half)->at(0))["inputs"];
  for (const json& value : values) EXPECT_LT(value.get<double>(), 8);
  EXPECT_NE(values[0], values[1]);
}

TEST(Requests, AreNotMadeUpForText) {
  const auto text = ReadModel(R"({"inputs":[{"name":"t","datatype":"BYTES","shape":[-1,1]}]})");
  EXPECT_THAT(DrawBodies({}, *text).error().message,
              testing::AllOf(HasSubstr("input `t`"), HasSubstr("--data FILE")));
}

TEST(Requests, GoToThePathOfTheirKind) {
  EXPECT_EQ(PathOf({.model = "m"}), "/predict/m");
  EXPECT_EQ(PathOf({.model = "m", .rows = 2}), "/predict/m/batch");
  EXPECT_EQ(PathOf({.kind = RequestKind::kRaw, .model = "m"}), "/predict/m");
  EXPECT_EQ(PathOf({.kind = RequestKind::kOip, .model = "m", .rows = 2}), "/v2/models/m/infer");
  EXPECT_EQ(PathOf({.model = "m", .path = "/predict/m/versions/2"}), "/predict/m/versions/2");
  EXPECT_EQ(PathOf({.kind = RequestKind::kBody, .model = "m"}), "/predict/m");
}

TEST(Requests, AreWholeMessages) {
  const std::string bytes =
      RequestBytes({.model = "m", .authority = "h:1", .timeout_ms = 50}, "{}");
  EXPECT_EQ(bytes,
            "POST /predict/m HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\n"
            "Content-Length: 2\r\nX-Request-Timeout-Ms: 50\r\n\r\n{}");
  EXPECT_THAT(RequestBytes({.kind = RequestKind::kRaw, .model = "m"}, "x"),
              HasSubstr("application/octet-stream\r\nContent-Length: 1\r\n\r\nx"));
}

TEST(Requests, CarryGivenBytesAsWhatTheyAreSaidToBe) {
  const std::string bytes("\xff\xd8\0\r\n", 5);
  const RequestOptions picture{
      .kind = RequestKind::kBody, .model = "m", .authority = "h:1", .content_type = "image/jpeg"};
  EXPECT_EQ(RequestBytes(picture, bytes),
            "POST /predict/m HTTP/1.1\r\nHost: h:1\r\nContent-Type: image/jpeg\r\n"
            "Content-Length: 5\r\n\r\n" +
                bytes);
  EXPECT_THAT(RequestBytes({.kind = RequestKind::kBody, .model = "m"}, bytes),
              HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_FALSE(DrawBodies({.kind = RequestKind::kBody}, Iris()));
}

TEST(Requests, ReadBodiesFromLines) {
  EXPECT_EQ(ReadJsonLines("{\"a\":1}\r\n\n[2]").value(),
            (std::vector<std::string>{"{\"a\":1}", "[2]"}));
  EXPECT_THAT(ReadJsonLines("{}\n{\"a\":").error().message,
              StartsWith("line 2: expected one JSON"));
  EXPECT_THAT(ReadJsonLines("\n").error().message, HasSubstr("got nothing"));
}

}  // namespace
}  // namespace muster::bench
