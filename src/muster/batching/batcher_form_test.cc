#include <bit>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "muster/batching/batcher.h"
#include "muster/batching/internal/batcher_test_support.h"

// What runs look like where a row must get the same bits in all of them.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using tensor::DType;
using tensor::Tensor;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// What a logistic regression needs so that a row's bits are those of any larger run.
BatcherOptions AtLeastTwoRows() {
  BatcherOptions options = AdaptiveOptions(8);
  options.form.min_rows = 2;
  return options;
}

TEST(BatcherForm, PadsALoneRowToTheLeastNumberOfRows) {
  Bench bench(AtLeastTwoRows());
  const AnswerPtr answer = bench.Submit({3});
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(6));
  EXPECT_THAT(bench.fake().runs().at(0).x, ElementsAre(3, 3));
  EXPECT_EQ((*answer->result)->batch_size, 1);
  EXPECT_EQ((*answer->result)->parts[0].outputs[0].rows(), 1);
  const BatcherSnapshot snapshot = bench.batcher->Snapshot();
  EXPECT_EQ(snapshot.batch_rows.sum, 1u) << "padding is not counted";
  EXPECT_EQ(snapshot.rows_succeeded, 1u);
  EXPECT_EQ(snapshot.running_rows, 0);
}

TEST(BatcherForm, PadsWhatIsLeftOfALargeRequestAndNothingElse) {
  Bench bench(AtLeastTwoRows());
  const AnswerPtr answer = bench.Submit({1, 2, 3, 4, 5, 6, 7, 8, 9});
  bench.Await(answer);
  EXPECT_THAT(answer->values(), ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18));
  EXPECT_THAT(bench.RunSizes(), ElementsAre(8, 2));
  EXPECT_THAT(bench.fake().runs().at(1).x, ElementsAre(9, 9));
  EXPECT_EQ(bench.batcher->Snapshot().batch_rows.sum, 9u);
}

TEST(BatcherForm, GivesARowTheSameBitsWhateverTheLoadWhereRunsArePadded) {
  const auto bits_of = [](std::int64_t min_rows, bool alone) {
    BatcherOptions options = WindowOptions(8, 1h);
    if (alone) options = AdaptiveOptions(8);
    options.form.min_rows = min_rows;
    Bench bench(options, {.last_bits = [](auto rows, auto) { return rows == 1 ? 1 : 0; }});
    std::vector<AnswerPtr> answers;
    for (int i = 0; i < (alone ? 1 : 8); ++i) answers.push_back(bench.Submit({0.1f}));
    bench.Await(answers);
    return std::bit_cast<std::uint32_t>(answers[0]->values()[0]);
  };
  EXPECT_NE(bits_of(1, true), bits_of(1, false));
  EXPECT_EQ(bits_of(2, true), bits_of(2, false));
}

/// Where the inputs of a run began, modulo 64, as FunctionModels of `spec` see them.
std::vector<std::uintptr_t> Begins(const model::ModelSpec& spec, WorkItem item,
                                   const BatcherOptions& options) {
  std::vector<std::uintptr_t> begins;
  Bench bench(options, [&] {
    return std::make_unique<FunctionModel>(spec, [&](std::span<const Tensor> inputs) {
      begins.push_back(reinterpret_cast<std::uintptr_t>(inputs[0].bytes()) % 64);
      return base::Result<std::vector<Tensor>>(std::vector<Tensor>{inputs[0]});
    });
  });
  const std::int64_t rows = item.rows;
  const AnswerPtr answer = bench.Submit(std::move(item));
  bench.Await(answer);
  EXPECT_THAT(answer->values(), SizeIs(static_cast<std::size_t>(rows)));
  for (std::int64_t i = 0; i < rows; ++i) {
    EXPECT_EQ(answer->values()[static_cast<std::size_t>(i)], static_cast<float>(i));
  }
  return begins;
}

TEST(BatcherForm, AlignsTheRowsOfEveryRunWhereTheFormSaysSo) {
  model::ModelSpec rows, whole;
  rows.inputs = rows.outputs = {{"x", DType::kFp32, {{}, {1, ""}}}};
  whole.inputs = whole.outputs = {{"x", DType::kFp32, {}}};
  for (const model::ModelSpec& spec : {rows, whole}) {
    BatcherOptions options = AdaptiveOptions(1);
    WorkItem item;
    item.rows = 3;
    item.inputs = {Bench::Rows({0, 1, 2})};
    if (spec.inputs[0].dims.empty()) item.inputs[0] = item.inputs[0].Reshaped({3});
    WorkItem same;
    same.rows = item.rows;
    same.inputs = item.inputs;
    EXPECT_THAT(Begins(spec, std::move(item), options), ElementsAre(0, 4, 8)) << "no copies";
    options.form.aligned = true;
    EXPECT_THAT(Begins(spec, std::move(same), options), ElementsAre(0, 0, 0));
  }
}

}  // namespace
}  // namespace muster::batching
