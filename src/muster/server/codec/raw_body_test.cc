#include "muster/server/codec/raw_body.h"

#include <array>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {
namespace {

using tensor::BufferRef;
using tensor::DType;
using tensor::Tensor;

template <class T>
BufferRef BytesOf(const std::vector<T>& values) {
  const std::size_t size = values.size() * sizeof(T);
  BufferRef buffer = BufferRef::Allocate(size);
  if (size > 0) std::memcpy(buffer.data(), values.data(), size);
  return buffer;
}

BufferRef Zeroes(std::size_t bytes) { return BytesOf(std::vector<std::uint8_t>(bytes)); }

enum Route { kSingle = 0, kBatch = 1 };

std::string Refusal(const std::shared_ptr<registry::ServedVersion>& version, BufferRef bytes,
                    Route route = kBatch, const DecodeLimits& limits = {}) {
  return Codec::Told(DecodeRaw(std::move(bytes), version, route == kBatch, limits));
}

std::string OutputRefusal(const registry::ServedVersion& version, std::string_view name) {
  const auto chosen = ChooseRawOutput(version, name);
  return chosen ? "chose " + std::to_string(*chosen) : chosen.error().message;
}

engine::PredictResponse Answered(base::RecycledVector<batching::WorkPart> parts) {
  engine::PredictResponse response;
  response.model = Iris();
  response.work.parts = std::move(parts);
  return response;
}

DecodedBody Body(std::int64_t rows) {
  DecodedBody body;
  body.slots = rows;
  body.batch = rows > 1;
  return body;
}

template <class T>
std::vector<T> ValuesIn(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

TEST(DecodeRaw, TakesTheBytesAsRowsOfTheOnlyInput) {
  const auto body = DecodeRaw(BytesOf<float>({1, 2, 3, 4, 5, 6, 7, 8}), Iris(), true, {});
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->dialect, Dialect::kInputs);
  EXPECT_TRUE(body->batch);
  EXPECT_EQ(body->slots, 2);
  EXPECT_EQ(body->model->name, "iris");
  ASSERT_EQ(body->calls.size(), 1u);
  const PredictCall& call = body->calls[0];
  EXPECT_EQ(call.rows, 2);
  EXPECT_EQ(call.slots, (std::pmr::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(call.input_shapes, (std::pmr::vector<tensor::Shape>{{2, 4}}));
  EXPECT_EQ(Values<float>(call.inputs[0]), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(DecodeRaw, SharesTheMemoryAndKeepsItAlive) {
  bool released = false;
  std::vector<float> memory = {1, 2, 3, 4};
  BufferRef bytes = BufferRef::Wrap(memory.data(), 16, [&released] { released = true; });
  auto body = DecodeRaw(std::move(bytes), Iris(), false, {});
  ASSERT_TRUE(body);
  EXPECT_EQ(static_cast<void*>(body->calls[0].inputs[0].bytes()), memory.data());
  EXPECT_FALSE(released);
  body = base::InvalidArgument("gone");
  EXPECT_TRUE(released);
}

TEST(DecodeRaw, CopiesBytesThatAreNotAligned) {
  alignas(8) std::array<std::byte, 24> memory{};
  const std::array<float, 4> values = {1, 2, 3, 4};
  std::memcpy(memory.data() + 2, values.data(), 16);
  const auto body = DecodeRaw(BufferRef::Wrap(memory.data() + 2, 16, {}), Iris(), false, {});
  ASSERT_TRUE(body);
  EXPECT_EQ(Values<float>(body->calls[0].inputs[0]), (std::vector<float>{1, 2, 3, 4}));
}

TEST(DecodeRaw, KeepsEveryBitOfEveryNumericType) {
  for (const DType dtype :
       {DType::kUint8, DType::kUint16, DType::kUint32, DType::kUint64, DType::kInt8, DType::kInt16,
        DType::kInt32, DType::kInt64, DType::kFp16, DType::kBf16, DType::kFp32, DType::kFp64}) {
    std::vector<std::uint8_t> bytes(3 * 2 * tensor::DTypeSize(dtype));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(255 - i);
    const auto body = DecodeRaw(BytesOf(bytes), OneInput(dtype, {2}), true, {});
    ASSERT_TRUE(body) << tensor::DTypeName(dtype);
    EXPECT_EQ(body->slots, 3);
    EXPECT_EQ(body->calls[0].inputs[0].dtype(), dtype);
    EXPECT_EQ(std::memcmp(body->calls[0].inputs[0].bytes(), bytes.data(), bytes.size()), 0);
  }
}

TEST(DecodeRaw, PassesNumbersThatJsonHasNot) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto body = DecodeRaw(BytesOf<float>({NAN, inf, -inf, -0.0f}), Iris(), false, {});
  ASSERT_TRUE(body);
  EXPECT_TRUE(std::isnan(body->calls[0].inputs[0].data<float>()[0]));
  EXPECT_TRUE(std::signbit(body->calls[0].inputs[0].data<float>()[3]));
}

TEST(DecodeRaw, TakesScalarRowsAndWholeTensors) {
  const auto scalars = DecodeRaw(BytesOf<float>({1, 2, 3}), OneInput(DType::kFp32, {}), true, {});
  ASSERT_TRUE(scalars);
  EXPECT_EQ(scalars->calls[0].inputs[0].shape(), (tensor::Shape{3}));
  // Without a batch axis all of the tensor is one row.
  auto whole = FakeVersion("m", {Spec("x", DType::kFp32, {0, 2})}, {Spec("y", DType::kFp32, {2})});
  whole->spec.inputs[0].dims[0].size = 3;
  whole->spec.batch_axis = model::BatchAxis::kNone;
  const auto row = DecodeRaw(BytesOf<float>({1, 2, 3, 4, 5, 6}), whole, false, {});
  ASSERT_TRUE(row);
  EXPECT_EQ(row->calls[0].inputs[0].shape(), (tensor::Shape{1, 3, 2}));
}

TEST(DecodeRaw, TellsTheExpectedMultipleAndWhatCame) {
  const std::string told = Refusal(Iris(), Zeroes(17));
  EXPECT_EQ(told,
            "SHAPE: body: expected a multiple of 16 bytes (input `x`, a row is 4 x FP32, 16 "
            "bytes), got 17 bytes");
  EXPECT_EQ(Refusal(Iris(), Zeroes(15), kSingle).substr(0, 6), "SHAPE:");
}

TEST(DecodeRaw, RefusesAnEmptyBody) {
  for (const Route route : {kSingle, kBatch}) {
    const std::string told = Refusal(Iris(), Zeroes(0), route);
    EXPECT_EQ(told.substr(0, 12), "EMPTY_BATCH:") << told;
  }
}

TEST(DecodeRaw, RefusesSeveralRowsWhereOneIsExpected) {
  const std::string told = Refusal(Iris(), Zeroes(48), kSingle);
  EXPECT_EQ(told,
            "SHAPE: body: expected one row (4 x FP32, 16 bytes), got 3; many rows go to the same "
            "path with /batch behind it");
}

TEST(DecodeRaw, RefusesMoreRowsThanAllowed) {
  EXPECT_EQ(Refusal(Iris(), Zeroes(48), kBatch, {.max_rows = 3}), "accepted");
  EXPECT_EQ(Refusal(Iris(), Zeroes(48), kBatch, {.max_rows = 2}),
            "TOO_MANY_VALUES: body: more than 2 rows");
}

TEST(DecodeRaw, RefusesBoolsThatAreNotZeroOrOne) {
  const auto flags = OneInput(DType::kBool, {2});
  EXPECT_EQ(Refusal(flags, BytesOf<std::uint8_t>({0, 1, 1, 0})), "accepted");
  EXPECT_EQ(Refusal(flags, BytesOf<std::uint8_t>({0, 1, 1, 2})),
            "OUT_OF_RANGE: input `x`: expected bytes 0 and 1 for BOOL, got 2 at byte 3");
  EXPECT_EQ(Refusal(flags, BytesOf<std::uint8_t>({255, 1})).substr(0, 13), "OUT_OF_RANGE:");
}

TEST(DecodeRaw, RefusesModelsThatItCannotFeed) {
  const auto two = FakeVersion(
      "two", {Spec("age", DType::kFp32, {-1, 1}), Spec("income", DType::kFp32, {-1, 2})},
      {Spec("y", DType::kFp32, {-1})});
  EXPECT_EQ(Refusal(two, Zeroes(12)),
            "MISSING_INPUT: a raw body is a single input; model `two` takes `age` and `income`: "
            "send them as JSON");
  EXPECT_EQ(Refusal(OneInput(DType::kBytes, {1}), Zeroes(8)),
            "TYPE: input `x`: strings have no raw form; send JSON");
  EXPECT_EQ(Refusal(OneInput(DType::kFp32, {-1, 4}), Zeroes(16)),
            "SHAPE: input `x`: a raw body needs rows of a fixed shape, FP32 [?, ?, 4] leaves "
            "theirs open; send JSON");
  EXPECT_EQ(Refusal(OneInput(DType::kFp32, {4, 0}), Zeroes(16)).substr(0, 6), "SHAPE:");
  EXPECT_EQ(Refusal(OneInput(DType::kFp32, {1LL << 40, 1LL << 40}), Zeroes(16)).substr(0, 6),
            "SHAPE:");
}

TEST(ChooseRawOutput, TakesTheOnlyNumericOneUnlessToldWhich) {
  EXPECT_EQ(*ChooseRawOutput(*OneInput(DType::kFp32, {4}), ""), 0);
  EXPECT_EQ(*ChooseRawOutput(*Iris(), "probabilities"), 1);
  const auto labelled =
      FakeVersion("m", {Spec("x", DType::kFp32, {-1, 4})},
                  {Spec("label", DType::kBytes, {-1}), Spec("score", DType::kFp32, {-1})});
  EXPECT_EQ(*ChooseRawOutput(*labelled, ""), 1);
}

TEST(ChooseRawOutput, NamesTheOutputsWhereItCannotChoose) {
  const std::string iris = "; model `iris` has the numeric outputs `label` and `probabilities`";
  EXPECT_EQ(
      OutputRefusal(*Iris(), ""),
      "query parameter output: a raw answer is one numeric output, and must be told which" + iris);
  EXPECT_EQ(OutputRefusal(*Iris(), "y\n"),
            "query parameter output: no output is called `y\\n`" + iris);
  const auto text =
      FakeVersion("t", {Spec("x", DType::kFp32, {-1, 4})}, {Spec("label", DType::kBytes, {-1})});
  EXPECT_EQ(OutputRefusal(*text, "label"),
            "query parameter output: `label` holds strings, which have no raw form; model `t` "
            "has no numeric output");
}

TEST(EncodeRaw, JoinsThePartsInOrderOfTheirRows) {
  std::string out;
  const auto answer = EncodeRaw(
      out, Body(3),
      Answered(
          {{0, 1, {Tensor::Of<std::int64_t>({1}, {7}), Tensor::Of<float>({1, 2}, {1, 2})}},
           {1,
            2,
            {Tensor::Of<std::int64_t>({2}, {8, 9}), Tensor::Of<float>({2, 2}, {3, 4, 5, NAN})}}}),
      1);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->dtype, DType::kFp32);
  EXPECT_EQ(RawShapeText(answer->shape), "3,2");
  EXPECT_EQ(answer->model->name, "iris");
  const auto values = ValuesIn<float>(out);
  ASSERT_EQ(values.size(), 6u);
  EXPECT_EQ(values[4], 5);
  EXPECT_TRUE(std::isnan(values[5]));
}

TEST(EncodeRaw, WritesRowsOfOneValueWithoutFurtherAxes) {
  std::string out;
  const auto answer =
      EncodeRaw(out, Body(2), Answered({{0, 2, {Tensor::Of<std::int64_t>({2}, {-1, 9})}}}), 0);
  ASSERT_TRUE(answer);
  EXPECT_EQ(RawShapeText(answer->shape), "2");
  EXPECT_EQ(ValuesIn<std::int64_t>(out), (std::vector<std::int64_t>{-1, 9}));
}

TEST(EncodeRaw, TurnsTheFirstFailedRowIntoTheErrorOfAll) {
  engine::PredictResponse some = Answered({{0, 1, {Tensor::Of<float>({1, 1}, {1})}}});
  some.work.errors = {{1, base::InvalidArgument("not this row", "INPUT_REJECTED_BY_MODEL")},
                      {2, base::InvalidArgument("nor this", "INPUT_REJECTED_BY_MODEL")}};
  std::string out;
  const auto answer = EncodeRaw(out, Body(3), std::move(some), 0);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().Reason(), "INPUT_REJECTED_BY_MODEL");
  EXPECT_EQ(answer.error().message,
            "row 1: not this row (2 of 3 rows failed; an answer in JSON has the others)");
  EXPECT_TRUE(out.empty());
}

TEST(EncodeRaw, PassesTheErrorOfTheWholeCall) {
  std::string out;
  const auto answer = EncodeRaw(out, Body(1), base::Unavailable("full", "QUEUE_FULL"), 0);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().Reason(), "QUEUE_FULL");
}

TEST(EncodeRaw, RefusesRowsOfDifferentShapes) {
  std::string out;
  const auto answer = EncodeRaw(out, Body(2),
                                Answered({{0, 1, {Tensor::Of<float>({1, 2}, {1, 2})}},
                                          {1, 1, {Tensor::Of<float>({1, 1}, {3})}}}),
                                0);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().Reason(), "SHAPE");
}

TEST(EncodeRaw, BelievesNoBackendThatLeavesRowsOut) {
  std::string out;
  for (auto parts :
       {base::RecycledVector<batching::WorkPart>{},
        base::RecycledVector<batching::WorkPart>{{0, 1, {Tensor::Of<float>({1}, {1})}}},
        base::RecycledVector<batching::WorkPart>{{0, 2, {}}}}) {
    const auto answer = EncodeRaw(out, Body(2), Answered(std::move(parts)), 0);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().Reason(), "BACKEND_INVALID");
  }
}

}  // namespace
}  // namespace muster::server::codec
