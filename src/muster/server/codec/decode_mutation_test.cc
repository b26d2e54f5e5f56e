// Mutated bodies: never a crash, never another error than INVALID_ARGUMENT, and never accepted
// where another parser says that it is not JSON.
#include <gtest/gtest.h>
#include <random>

#include <nlohmann/json.hpp>

#include "muster/server/codec/example_json.h"
#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using tensor::DType;

const std::vector<std::string> kSeeds = {
    R"({"inputs":[5.1,3.5,1.4,0.2],"top_k":2,"id":"a\u00e4\n"})",
    R"({"inputs":[[1,2,3,4],{"x":[5,6,7,8]},[1e3,-2.5E-1,0,-0.0]],"priority":-3,"timeout":1.5})",
    R"({"features":{"sepal_length":1,"sepal_width":2,"petal_length":3,"petal_width":4},"version":"1"})",
    R"({"instances":[{"features":[1,2,3,4],"model_id":null},[5,6,7,8],{"features":[1,2,3,4]}],"max_parallelism":4})",
    R"({"context":{"user_id":"u","deep":[{"a":null},[[],{}],true,false]},"inputs":[["a","b\"",""],["\ud83d\ude00"]]})",
    R"({"inputs":{"age":41,"name":["x","y"]},"model_id":"two"})",
    R"({"inputs":[[[1,2],[3,4]],[[5,6]],[[7],[8]]]})",
};
const std::string kAlphabet = "{}[],:\"\\0123456789.eE+-truefalsnl uN\n\t\xC3\xFF";

std::string Mutated(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return random() % n; };
  for (std::size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
    const std::size_t at = below(text.size());
    switch (below(6)) {
      case 0:
        text[at] = kAlphabet[below(kAlphabet.size())];
        break;
      case 1:
        text.insert(at, 1, kAlphabet[below(kAlphabet.size())]);
        break;
      case 2:
        text.erase(at, 1 + below(3));
        break;
      case 3:
        text.insert(below(text.size()), text.substr(at, 1 + below(12)));
        break;
      case 4:
        text.resize(at);
        break;
      default:
        std::swap(text[at], text[below(text.size())]);
        break;
    }
  }
  return text;
}

std::vector<Codec> Codecs() {
  Codec iris(Iris());
  iris.Add(FakeVersion("two",
                       {Spec("age", DType::kInt64, {-1, 1}), Spec("name", DType::kBytes, {-1, 2})},
                       {Spec("y", DType::kFp32, {-1, 1})}));
  return {iris, Codec(OneInput(DType::kBytes, {-1})), Codec(OneInput(DType::kInt16, {-1, -1})),
          Codec(OneInput(DType::kFp64, {2, 2}))};
}

TEST(DecodeMutated, IsRefusedCleanlyOrIsJson) {
  const std::vector<Codec> codecs = Codecs();
  std::mt19937 random(20260102);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string json = Mutated(kSeeds[random() % kSeeds.size()], random);
    const Codec& codec = codecs[random() % codecs.size()];
    const auto body = random() % 2 == 0 ? codec.Decode(json) : codec.DecodeBatch(json);
    if (!body) {
      EXPECT_TRUE(body.error().code == base::Code::kInvalidArgument ||
                  body.error().code == base::Code::kNotFound)
          << json << "\n"
          << body.error().ToString();
      EXPECT_LT(body.error().message.size(), 1000u) << json;
      continue;
    }
    ++accepted;
    EXPECT_TRUE(nlohmann::json::accept(json)) << json;
    std::int64_t placed = static_cast<std::int64_t>(body->errors.size());
    for (const PredictCall& call : body->calls) {
      placed += call.rows;
      for (const tensor::Tensor& input : call.inputs) EXPECT_EQ(input.rows(), call.rows) << json;
    }
    EXPECT_EQ(placed, body->slots) << json;
  }
  EXPECT_GT(accepted, 500);
}

TEST(DecodeMutated, JsonThatIsFineElsewhereIsNotCalledBroken) {
  const std::vector<Codec> codecs = Codecs();
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string json = Mutated(kSeeds[random() % kSeeds.size()], random);
    const auto body = codecs[random() % codecs.size()].DecodeBatch(json);
    if (body || body.error().reason != "JSON") continue;
    EXPECT_FALSE(nlohmann::json::accept(json)) << json << "\n" << body.error().message;
  }
}

TEST(DecodeMutated, ExampleBodiesToo) {
  std::mt19937 random(11);
  for (int i = 0; i < 5'000; ++i) {
    const std::string json = Mutated(R"({"input": {"a":[1,"x\u0041",null]} ,"b":true})", random);
    const auto input = ReadExampleInput(PaddedBody(json).bytes(), {});
    if (!input) continue;
    EXPECT_TRUE(nlohmann::json::accept(*input)) << json << " gave " << *input;
  }
}

}  // namespace
}  // namespace muster::server::codec
