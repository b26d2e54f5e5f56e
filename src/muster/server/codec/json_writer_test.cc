#include "muster/server/codec/json_writer.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include <nlohmann/json.hpp>

namespace muster::server::codec {
namespace {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

std::string Quote(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

template <class T>
std::string Number(T value) {
  std::string out;
  AppendJsonNumber(out, value);
  return out;
}

std::string Written(const Tensor& t) {
  std::string out;
  AppendJsonTensor(out, t);
  return out;
}

TEST(JsonString, EscapesWhatJsonNeedsEscaped) {
  EXPECT_EQ(Quote("plain"), R"("plain")");
  EXPECT_EQ(Quote(""), R"("")");
  EXPECT_EQ(Quote("\"\\/"), R"("\"\\/")");
  EXPECT_EQ(Quote("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(Quote(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonString, KeepsUtf8) {
  EXPECT_EQ(Quote("äß 漢 😀"), "\"äß 漢 😀\"");
  EXPECT_EQ(Quote("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"),
            "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"");
}

TEST(JsonString, ReplacesBytesThatAreNotUtf8) {
  for (const std::string_view bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xFF", "\xC3", "\xE2\x82"}) {
    const std::string quoted = Quote("a" + std::string(bad) + "b");
    const auto parsed = nlohmann::json::parse(quoted, nullptr, false);
    ASSERT_TRUE(parsed.is_string()) << quoted;
    EXPECT_TRUE(quoted.starts_with("\"a\xEF\xBF\xBD") && quoted.ends_with("b\"")) << quoted;
  }
}

TEST(JsonString, EveryByteMakesValidJson) {
  for (int c = 0; c < 256; ++c) {
    const std::string quoted = Quote(std::string(1, static_cast<char>(c)));
    EXPECT_TRUE(nlohmann::json::accept(quoted)) << c;
  }
}

TEST(JsonNumber, IsTheShortestThatReadsBack) {
  EXPECT_EQ(Number(0.1), "0.1");
  EXPECT_EQ(Number(0.1f), "0.1");
  EXPECT_EQ(Number(1.0f), "1");
  EXPECT_EQ(Number(-0.0), "-0");
  EXPECT_EQ(Number(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(Number(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Number(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  for (const double v : {std::numeric_limits<double>::min(), std::numeric_limits<double>::max(),
                         std::numeric_limits<double>::denorm_min(), -2.2250738585072014e-308}) {
    EXPECT_EQ(nlohmann::json::parse(Number(v)).get<double>(), v);
  }
}

TEST(JsonNumber, IsNullWhereJsonHasNone) {
  EXPECT_EQ(Number(NAN), "null");
  EXPECT_EQ(Number(static_cast<double>(INFINITY)), "null");
  EXPECT_EQ(Number(-INFINITY), "null");
}

TEST(JsonTensor, NestsByShape) {
  EXPECT_EQ(Written(Tensor::Of<float>({2, 3}, {1, 2.5f, -0.0f, 4, 5, 6})), "[[1,2.5,-0],[4,5,6]]");
  EXPECT_EQ(Written(Tensor::Of<std::int64_t>({2, 1, 2}, {1, 2, 3, 4})), "[[[1,2]],[[3,4]]]");
  EXPECT_EQ(Written(Tensor::Of<double>(Shape{}, {0.1})), "0.1");
  EXPECT_EQ(Written(Tensor::Of<float>({0}, {})), "[]");
  EXPECT_EQ(Written(Tensor::Of<float>({2, 0}, {})), "[[],[]]");
}

TEST(JsonTensor, WritesEveryType) {
  Tensor flags = Tensor::Allocate(DType::kBool, {2});
  flags.data<bool>()[0] = true;
  flags.data<bool>()[1] = false;
  EXPECT_EQ(Written(flags), "[true,false]");
  EXPECT_EQ(Written(Tensor::Of<std::uint8_t>({2}, {0, 255})), "[0,255]");
  EXPECT_EQ(Written(Tensor::Of<std::int8_t>({2}, {-128, 127})), "[-128,127]");
  EXPECT_EQ(Written(Tensor::Of<std::uint16_t>({1}, {65535})), "[65535]");
  EXPECT_EQ(Written(Tensor::Of<std::int16_t>({1}, {-32768})), "[-32768]");
  EXPECT_EQ(Written(Tensor::Of<std::uint32_t>({1}, {4294967295u})), "[4294967295]");
  EXPECT_EQ(Written(Tensor::Of<std::int32_t>({1}, {-2147483647})), "[-2147483647]");
  EXPECT_EQ(Written(Tensor::Of<std::uint64_t>({1}, {18446744073709551615u})),
            "[18446744073709551615]");
  EXPECT_EQ(Written(Tensor::Of<std::string>({2}, {"a\"", std::string("\0", 1)})),
            R"(["a\"","\u0000"])");
  Tensor half = Tensor::Allocate(DType::kFp16, {2});
  half.data<std::uint16_t>()[0] = 0x3C00;
  half.data<std::uint16_t>()[1] = 0xC000;
  EXPECT_EQ(Written(half), "[1,-2]");
  Tensor brain = Tensor::Allocate(DType::kBf16, {1});
  brain.data<std::uint16_t>()[0] = 0x3F80;
  EXPECT_EQ(Written(brain), "[1]");
}

TEST(JsonTensor, WritesNullForWhatIsNotFiniteAndSaysSo) {
  std::string out;
  EXPECT_TRUE(AppendJsonTensor(out, Tensor::Of<float>({3}, {1, NAN, -INFINITY})));
  EXPECT_EQ(out, "[1,null,null]");
  EXPECT_FALSE(AppendJsonTensor(out, Tensor::Of<float>({1}, {1})));
}

TEST(JsonTensor, WritesLongRowsWithTheLongestNumbers) {
  const std::vector<double> values(1000, -2.2250738585072014e-308);
  EXPECT_EQ(
      nlohmann::json::parse(Written(Tensor::Of<double>({1000}, values))).get<std::vector<double>>(),
      values);
}

TEST(JsonTensor, WritesRowsOfAView) {
  const Tensor all = Tensor::Of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Written(all.Rows(1, 2)), "[[3,4],[5,6]]");
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string out;
  JsonWriter w(out);
  w.BeginObject();
  w.Key("a");
  w.BeginArray();
  w.EndArray();
  w.Key("b");
  w.BeginArray();
  w.Number(1);
  w.Null();
  w.BeginObject();
  w.EndObject();
  w.Bool(true);
  w.Raw("[2]");
  AppendJsonNumber(w.Value(), 0.5);
  w.String("x");
  w.Time(base::WallTime(std::chrono::milliseconds(1)));
  w.EndArray();
  w.AnyKey("c\"");
  w.Tensor(Tensor::Of<float>({1}, {3}));
  w.EndObject();
  EXPECT_EQ(out,
            R"({"a":[],"b":[1,null,{},true,[2],0.5,"x","1970-01-01T00:00:00.001Z"],"c\"":[3]})");
}

}  // namespace
}  // namespace muster::server::codec
