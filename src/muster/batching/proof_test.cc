#include "muster/batching/proof.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/batching/internal/batcher_test_support.h"
#include "muster/model/agreement.h"

namespace muster::batching {
namespace {

using tensor::DType;
using tensor::Tensor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Tensors = std::vector<Tensor>;

constexpr DType kAllDTypes[] = {DType::kBool,   DType::kUint8, DType::kUint16, DType::kUint32,
                                DType::kUint64, DType::kInt8,  DType::kInt16,  DType::kInt32,
                                DType::kInt64,  DType::kFp16,  DType::kBf16,   DType::kFp32,
                                DType::kFp64,   DType::kBytes};

model::ModelSpec SpecOf(std::vector<model::Dim> dims, DType dtype = DType::kFp32) {
  model::ModelSpec spec;
  spec.inputs = {{"x", dtype, dims}};
  spec.outputs = {{"y", dtype, dims}};
  model::DeriveBatchAxis(spec);
  return spec;
}

BatchingProof Prove(const model::ModelSpec& spec, FunctionModel::Function function) {
  FunctionModel model(spec, std::move(function));
  const auto instance = model.NewInstance({}).value();
  return ProveBatching(model.spec(), *instance);
}

BatchingProof ProveFake(model::FakeModelOptions options) {
  model::FakeModel model(std::move(options));
  const auto instance = model.NewInstance({}).value();
  BatchingProof proof = ProveBatching(model.spec(), *instance);
  for (const auto& run : model.runs()) EXPECT_LE(run.rows, 16);
  return proof;
}

/// Of a model whose last bits are as `last_bits` says.
BatchingProof ProveBits(std::function<std::int32_t(std::int64_t, std::int64_t)> last_bits,
                        const ProofOptions& options = {}, model::FakeModelOptions model = {}) {
  model.last_bits = std::move(last_bits);
  model::FakeModel fake(std::move(model));
  const auto instance = fake.NewInstance({}).value();
  return ProveBatching(fake.spec(), *instance, options);
}

base::Result<Tensors> Identity(std::span<const Tensor> inputs) {
  return Tensors(inputs.begin(), inputs.end());
}

TEST(ProveBatching, AcceptsAModelWhoseRowsAreIndependent) {
  const BatchingProof proof = ProveFake({.width = 3});
  EXPECT_TRUE(proof.batchable);
  EXPECT_EQ(proof.invariance, BatchInvariance::kAll);
  EXPECT_EQ(proof.compared_rows, 16);
  EXPECT_THAT(proof.difference, IsEmpty());
  EXPECT_THAT(proof.reason, IsEmpty());
  ASSERT_THAT(proof.probe, SizeIs(1));
  EXPECT_EQ(proof.probe[0].shape(), (tensor::Shape{1, 3}));
}

TEST(ProveBatching, AcceptsEveryDtype) {
  for (const DType dtype : kAllDTypes) {
    const BatchingProof proof = Prove(SpecOf({{}, {2, ""}}, dtype), Identity);
    EXPECT_TRUE(proof.batchable) << tensor::DTypeName(dtype) << ": " << proof.reason;
    EXPECT_EQ(proof.invariance, BatchInvariance::kAll);
  }
}

TEST(ProveBatching, RefusesAModelThatMixesRows) {
  const BatchingProof proof = ProveFake({.width = 3, .mixes_rows = true});
  EXPECT_FALSE(proof.batchable);
  EXPECT_EQ(proof.invariance, BatchInvariance::kNone);
  EXPECT_THAT(proof.reason, HasSubstr("output \"y\""));
  EXPECT_THAT(proof.probe, SizeIs(1)) << "one row alone is served";
}

TEST(ProveBatching, RefusesAMeanOverTheRows) {
  const BatchingProof proof = Prove(SpecOf({{}, {1, ""}}), [](std::span<const Tensor> inputs) {
    const auto x = inputs[0].data<const float>();
    float sum = 0;
    for (const float v : x) sum += v;
    const std::vector<float> mean(x.size(), sum / static_cast<float>(x.size()));
    return base::Result<Tensors>(Tensors{Tensor::Of<float>(inputs[0].shape(), mean)});
  });
  EXPECT_FALSE(proof.batchable);
}

TEST(ProveBatching, RefusesAModelWhoseFirstRowLeaksIntoTheLastOnly) {
  const BatchingProof proof = Prove(SpecOf({{}, {1, ""}}), [](std::span<const Tensor> inputs) {
    const auto x = inputs[0].data<const float>();
    std::vector<float> y(x.begin(), x.end());
    if (y.size() == 8) y[7] += 0.01f * x[0];
    return base::Result<Tensors>(Tensors{Tensor::Of<float>(inputs[0].shape(), y)});
  });
  EXPECT_FALSE(proof.batchable);
}

TEST(ProveBatching, RefusesAWrongNumberOfRows) {
  const BatchingProof proof = Prove(SpecOf({{}, {1, ""}}), [](std::span<const Tensor> inputs) {
    return base::Result<Tensors>(Tensors{inputs[0].Rows(0, 1)});
  });
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.reason, HasSubstr("output \"y\""));
  EXPECT_THAT(proof.reason, HasSubstr("2 rows"));
}

TEST(ProveBatching, RefusesAModelThatCannotTakeTwoRows) {
  const BatchingProof proof = ProveFake({.fault = [](auto, std::int64_t rows) {
    return rows == 1 ? base::Status() : base::InvalidArgument("one row only");
  }});
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.reason, HasSubstr("a run of 2 rows failed: one row only"));
  EXPECT_THAT(proof.probe, SizeIs(1));
}

TEST(ProveBatching, ToleratesLastBitsThatOnlyALoneRowGetsAndSaysSo) {
  const BatchingProof proof = ProveBits([](auto rows, auto) { return rows == 1 ? 1 : 0; });
  EXPECT_TRUE(proof.batchable) << proof.reason;
  EXPECT_EQ(proof.invariance, BatchInvariance::kAtLeastTwo);
  EXPECT_EQ(proof.difference,
            "output \"y\" of a row has other bits in a run of 2 rows than in one of 1");
}

TEST(ProveBatching, FindsNoClassWhereLastBitsChangeFromSizeToSize) {
  for (const std::int64_t other : {2, 3, 8, 16}) {
    const BatchingProof proof = ProveBits([&](auto rows, auto) { return rows == other ? 1 : 0; });
    EXPECT_TRUE(proof.batchable) << proof.reason;
    EXPECT_EQ(proof.invariance, BatchInvariance::kNone) << other;
    EXPECT_THAT(proof.difference, HasSubstr(std::to_string(other)));
  }
}

TEST(ProveBatching, FindsNoClassWhereLastBitsChangeFromPlaceToPlace) {
  for (const std::int64_t other : {0, 1, 7, 15}) {
    const BatchingProof proof =
        ProveBits([&](auto rows, auto place) { return rows == 16 && place == other ? 1 : 0; });
    EXPECT_EQ(proof.invariance, BatchInvariance::kNone) << other;
  }
}

TEST(ProveBatching, HoldsAFixedNumberOfRowsToItsPlaces) {
  EXPECT_EQ(ProveBits([](auto, auto) { return 1; }, {}, {.fixed_batch = 4}).invariance,
            BatchInvariance::kAll);
  const BatchingProof proof =
      ProveBits([](auto, auto place) { return place == 3 ? 1 : 0; }, {}, {.fixed_batch = 4});
  EXPECT_TRUE(proof.batchable);
  EXPECT_EQ(proof.invariance, BatchInvariance::kNone);
  EXPECT_EQ(proof.difference,
            "output \"y\" of a row has other bits in one run of 4 rows than in another");
}

TEST(ProveBatching, BitsOfRunsLargerThanTheLargestBatchDoNotCount) {
  const auto from_eight = [](auto rows, auto) { return rows >= 8 ? 1 : 0; };
  EXPECT_EQ(ProveBits(from_eight, {.max_batch_size = 7}).invariance, BatchInvariance::kAll);
  EXPECT_EQ(ProveBits(from_eight, {.max_batch_size = 7}).compared_rows, 3);
  EXPECT_EQ(ProveBits(from_eight, {.max_batch_size = 8}).invariance, BatchInvariance::kNone);
}

TEST(ProveBatching, ComparesEverySizeAndPlaceWhenAsked) {
  const ProofOptions every = {.max_batch_size = 40, .every_size = true};
  for (std::int64_t rows = 2; rows <= 40; ++rows) {
    const auto odd_one = [&](auto n, auto place) { return n == rows && place == n - 1 ? 1 : 0; };
    EXPECT_EQ(ProveBits(odd_one, every).invariance, BatchInvariance::kNone) << rows;
  }
  const BatchingProof proof = ProveBits([](auto n, auto) { return n > 40 ? 1 : 0; }, every);
  EXPECT_EQ(proof.invariance, BatchInvariance::kAll);
  EXPECT_EQ(proof.compared_rows, 40);
}

TEST(ProveBatching, ComparesEveryPlaceOfAFixedNumberOfRowsWhenEverySizeIsAsked) {
  const auto runs = [](bool every_size) {
    model::FakeModel model({.fixed_batch = 32});
    const auto instance = model.NewInstance({}).value();
    ProveBatching(model.spec(), *instance, {.every_size = every_size});
    return model.run_count();
  };
  EXPECT_EQ(runs(false), 1 + 8 + 3);
  EXPECT_EQ(runs(true), 1 + 32 + 3 + 31);
}

TEST(ProveBatching, ComparesLargerRowsTooWhenEverySizeIsAsked) {
  const auto prove = [](bool every_size) {
    FunctionModel model(SpecOf({{}, {}}), [](std::span<const Tensor> inputs) {
      const auto x = inputs[0].data<const float>();
      std::vector<float> y(x.begin(), x.end());
      const bool vectorised = inputs[0].rows() == 3 && inputs[0].shape()[1] >= 16;
      for (float& v : y) v = vectorised ? std::nextafter(v, 1e9f) : v;
      return base::Result<Tensors>(Tensors{Tensor::Of<float>(inputs[0].shape(), y)});
    });
    const auto instance = model.NewInstance({}).value();
    return ProveBatching(model.spec(), *instance, {.every_size = every_size}).invariance;
  };
  EXPECT_EQ(prove(false), BatchInvariance::kAll);
  EXPECT_EQ(prove(true), BatchInvariance::kNone);
}

TEST(ProveBatching, NotANumberIsAsGoodAsAnyOther) {
  const BatchingProof proof = Prove(SpecOf({{}, {1, ""}}), [](std::span<const Tensor> inputs) {
    const auto x = inputs[0].data<const float>();
    std::vector<float> y(x.begin(), x.end());
    for (float& v : y) v = std::sqrt(v);  // NaN below zero
    return base::Result<Tensors>(Tensors{Tensor::Of<float>(inputs[0].shape(), y)});
  });
  EXPECT_TRUE(proof.batchable) << proof.reason;
}

TEST(ProveBatching, ProvesAFixedNumberOfRowsByPosition) {
  const BatchingProof proof = ProveFake({.width = 2, .fixed_batch = 4});
  EXPECT_TRUE(proof.batchable) << proof.reason;
  EXPECT_EQ(proof.probe[0].rows(), 4);
  EXPECT_FALSE(ProveFake({.fixed_batch = 4, .mixes_rows = true}).batchable);
}

TEST(ProveBatching, OneRowARunIsNotBatchable) {
  const BatchingProof proof = ProveFake({.fixed_batch = 1});
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.reason, HasSubstr("exactly one row"));
  EXPECT_EQ(proof.probe[0].rows(), 1);
}

TEST(ProveBatching, AModelWithoutRowsIsNotBatchableButHasAProbe) {
  model::ModelSpec spec = SpecOf({{2, ""}, {3, ""}});
  spec.inputs.push_back({"k", DType::kFp32, {}});
  spec.outputs.push_back({"k", DType::kFp32, {}});
  const BatchingProof proof = Prove(spec, Identity);
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.reason, HasSubstr("no axis of rows"));
  ASSERT_THAT(proof.probe, SizeIs(2));
  EXPECT_EQ(proof.probe[0].shape(), (tensor::Shape{1, 2, 3}));
  EXPECT_EQ(proof.probe[1].shape(), (tensor::Shape{1}));
}

TEST(ProveBatching, TriesExtentsOfDynamicAxesUntilARowIsAccepted) {
  const BatchingProof proof = Prove(SpecOf({{}, {}}), [](std::span<const Tensor> inputs) {
    if (inputs[0].shape()[1] < 5) return base::Result<Tensors>(base::InvalidArgument("too short"));
    return Identity(inputs);
  });
  EXPECT_TRUE(proof.batchable) << proof.reason;
  EXPECT_EQ(proof.probe[0].shape(), (tensor::Shape{1, 5}));
}

TEST(ProveBatching, TriesPlainerValuesWhereVariedOnesAreRefused) {
  const BatchingProof proof =
      Prove(SpecOf({{}, {2, ""}}, DType::kInt64), [](std::span<const Tensor> inputs) {
        for (const std::int64_t index : inputs[0].data<const std::int64_t>()) {
          if (index > 1) return base::Result<Tensors>(base::InvalidArgument("beyond the table"));
        }
        return Identity(inputs);
      });
  EXPECT_TRUE(proof.batchable) << proof.reason;
}

TEST(ProveBatching, AModelThatRefusesEveryRowHasNoProbe) {
  const BatchingProof proof =
      ProveFake({.fault = [](auto, auto) { return base::InvalidArgument("never"); }});
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.probe, IsEmpty());
  EXPECT_THAT(proof.reason, HasSubstr("never"));
}

TEST(ProveBatching, IsDeterministic) {
  model::FakeModel model({.width = 3});
  const auto instance = model.NewInstance({}).value();
  const BatchingProof a = ProveBatching(model.spec(), *instance, {.seed = 5});
  const BatchingProof b = ProveBatching(model.spec(), *instance, {.seed = 5});
  EXPECT_TRUE(model::Compare(a.probe[0], b.probe[0]).identical);
  EXPECT_FALSE(
      model::Compare(a.probe[0], ProveBatching(model.spec(), *instance, {.seed = 6}).probe[0])
          .identical);
}

TEST(ProveBatching, ExtentsThatMakeNoShapeAreNoRow) {
  const std::int64_t huge = std::int64_t{1} << 40;
  const BatchingProof proof = Prove(SpecOf({{}, {huge, ""}, {huge, ""}}), Identity);
  EXPECT_FALSE(proof.batchable);
  EXPECT_THAT(proof.probe, IsEmpty());
}

}  // namespace
}  // namespace muster::batching
