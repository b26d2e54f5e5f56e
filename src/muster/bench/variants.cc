#include "muster/bench/variants.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "muster/bench/bare_inputs.h"
#include "muster/bench/bare_report.h"
#include "muster/bench/internal/differences.h"
#include "muster/model/output_check.h"
#include "muster/telemetry/histogram.h"

namespace muster::bench {
namespace {

constexpr std::int64_t kDistinct = 64;
constexpr std::int64_t kWarmUp = 5;  // runs of each before any is timed

/// One variant while it is measured.
struct Racer {
  const Variant* variant = nullptr;
  std::unique_ptr<model::Instance> instance;
  std::unique_ptr<telemetry::Histogram> times = std::make_unique<telemetry::Histogram>();
};

base::Status CheckInterfaces(const std::vector<Variant>& variants) {
  if (variants.size() < 2) {
    return base::InvalidArgument("expected at least two models or versions to compare, found " +
                                 std::to_string(variants.size()));
  }
  const model::ModelSpec& first = variants[0].model->spec();
  for (const Variant& variant : variants) {
    const std::string difference =
        DifferenceOf(first.inputs, variant.model->spec().inputs, "input");
    if (difference.empty()) continue;
    return base::InvalidArgument("the inputs of " + variants[0].name + " and " + variant.name +
                                 " differ: " + difference);
  }
  return {};
}

base::Result<std::vector<Racer>> LineUp(const std::vector<Variant>& variants) {
  std::vector<Racer> racers;
  for (const Variant& variant : variants) {
    Racer racer{.variant = &variant};
    MUSTER_ASSIGN_OR_RETURN(racer.instance,
                            variant.model->NewInstance({.threads = 1}).WithContext(variant.name));
    racers.push_back(std::move(racer));
  }
  return racers;
}

base::Result<Tensors> RunOf(Racer& racer, const Tensors& batch, std::int64_t rows) {
  auto outputs = model::RunAndWait(*racer.instance, batch).WithContext(racer.variant->name);
  if (outputs) {
    MUSTER_RETURN_IF_ERROR(model::CheckOutputs(racer.variant->model->spec(), *outputs, rows)
                               .WithContext(racer.variant->name));
  }
  return outputs;
}

/// Runs batch `k` on every variant, beginning with another one for each `k`.
base::Status TimeRound(std::vector<Racer>& racers, const Tensors& batch, std::int64_t k,
                       base::Clock& clock) {
  for (std::size_t i = 0; i < racers.size(); ++i) {
    Racer& racer = racers[(static_cast<std::size_t>(k) + i) % racers.size()];
    const base::TimePoint start = clock.Now();
    const auto outputs = model::RunAndWait(*racer.instance, batch);
    racer.times->Record(clock.Now() - start);
    if (!outputs) return outputs.error().WithContext(racer.variant->name);
  }
  return {};
}

VariantTimes TimesOf(const Racer& racer, std::int64_t rows) {
  const telemetry::HistogramSnapshot times = racer.times->Snapshot();
  const auto duration = [](auto ns) { return base::Duration(static_cast<std::int64_t>(ns)); };
  VariantTimes result{.name = racer.variant->name,
                      .median = duration(times.Percentile(50)),
                      .average = duration(times.mean()),
                      .p95 = duration(times.Percentile(95)),
                      .p99 = duration(times.Percentile(99))};
  if (times.sum > 0) {
    result.rows_per_s = static_cast<double>(rows) * static_cast<double>(times.count) /
                        (static_cast<double>(times.sum) / 1e9);
  }
  return result;
}

/// Why the outputs of the variants cannot be compared; empty where they can.
std::string WhyNotCompared(const std::vector<Variant>& variants) {
  const model::ModelSpec& first = variants[0].model->spec();
  for (const Variant& variant : variants) {
    const std::string difference =
        DifferenceOf(first.outputs, variant.model->spec().outputs, "output");
    if (difference.empty()) continue;
    return "the outputs of " + variants[0].name + " and " + variant.name + " differ: " + difference;
  }
  return {};
}

/// Warms all variants up on batches that are compared where they can be.
base::Status WarmUp(std::vector<Racer>& racers, const BareInputs& inputs,
                    VariantsComparison& comparison) {
  std::vector<std::string> names;
  for (const Racer& racer : racers) names.push_back(racer.variant->name);
  Differences differences(racers[0].variant->model->spec(), std::move(names));
  const std::int64_t batches = std::max(kWarmUp, inputs.Batches(comparison.batch_size));
  for (std::int64_t k = 0; k < batches; ++k) {
    const Tensors batch =
        inputs.Batch(comparison.batch_size, k % inputs.Batches(comparison.batch_size));
    std::vector<Tensors> answers;
    for (Racer& racer : racers) {
      MUSTER_ASSIGN_OR_RETURN(Tensors outputs, RunOf(racer, batch, comparison.batch_size));
      answers.push_back(std::move(outputs));
    }
    if (comparison.why_not_compared.empty()) differences.Add(answers);
  }
  comparison.differences = differences.Farthest();
  return {};
}

}  // namespace

base::Status VariantsOptions::Validate() const {
  if (iterations < 1 || iterations > 10'000'000) {
    return base::InvalidArgument("iterations: expected 1 to 10000000, got " +
                                 std::to_string(iterations));
  }
  if (batch_size < 1 || batch_size > 65'536) {
    return base::InvalidArgument("a batch size is 1 to 65536, got " + std::to_string(batch_size));
  }
  return {};
}

base::Result<VariantsComparison> CompareVariants(std::vector<Variant>& variants,
                                                 const VariantsOptions& options,
                                                 base::Clock& clock) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  MUSTER_RETURN_IF_ERROR(CheckInterfaces(variants));
  MUSTER_ASSIGN_OR_RETURN(std::vector<Racer> racers, LineUp(variants));
  const model::ModelSpec& spec = variants[0].model->spec();
  VariantsComparison comparison;
  comparison.batch_size = SizesOf(spec, {options.batch_size}).front();
  MUSTER_ASSIGN_OR_RETURN(const BareInputs inputs,
                          BareInputs::Make(spec, *racers[0].instance, {comparison.batch_size},
                                           {.distinct = std::max(kDistinct, comparison.batch_size),
                                            .seed = options.seed}));
  comparison.distinct_inputs = inputs.distinct();
  comparison.why_not_compared = WhyNotCompared(variants);
  MUSTER_RETURN_IF_ERROR(WarmUp(racers, inputs, comparison));
  for (std::int64_t i = 0; i < options.iterations; ++i) {
    const Tensors batch =
        inputs.Batch(comparison.batch_size, i % inputs.Batches(comparison.batch_size));
    MUSTER_RETURN_IF_ERROR(TimeRound(racers, batch, i, clock));
  }
  for (const Racer& racer : racers) {
    comparison.variants.push_back(TimesOf(racer, comparison.batch_size));
  }
  std::ranges::sort(comparison.variants, {},
                    [](const VariantTimes& v) { return std::pair(v.median, v.name); });
  return comparison;
}

}  // namespace muster::bench
