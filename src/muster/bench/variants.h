#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::bench {

/// A loaded model under the name to show.
struct Variant {
  std::string name;  ///< "iris version 2"
  std::unique_ptr<model::Model> model;
};

struct VariantsOptions {
  std::int64_t iterations = 100;  ///< timed runs of each
  std::int64_t batch_size = 1;    ///< rows of a run; a fixed number of rows overrides it
  std::uint64_t seed = 1;

  /// Errors: INVALID_ARGUMENT naming what is out of range.
  base::Status Validate() const;
};

struct VariantTimes {
  std::string name;
  base::Duration median{0};  ///< what is sorted by: one interruption of 1 ms moves an average
  base::Duration average{0};
  base::Duration p95{0};  ///< nearest rank, as all
  base::Duration p99{0};
  double rows_per_s = 0;  ///< rows over the sum of the runs' times
};

/// How far the answers of two variants are apart in one output.
struct OutputDifference {
  std::string output;
  double largest = 0;          ///< of |a − b|; of strings 1 where they differ
  std::int64_t differing = 0;  ///< elements that are not equal, of those two
  std::int64_t elements = 0;   ///< compared of those two
  std::string a, b;            ///< the two that are farthest apart
};

struct VariantsComparison {
  std::vector<VariantTimes> variants;  ///< by median, fastest first
  /// By output, where all variants have the same ones.
  std::vector<OutputDifference> differences;
  std::string why_not_compared;  ///< empty where they were
  std::int64_t batch_size = 1;
  std::int64_t distinct_inputs = 0;
};

/// Runs all variants on the same seeded inputs, one after another in each iteration and beginning
/// with another one each time, so that a machine that slows down slows all of them down. One
/// instance of one thread each; the first runs, which are not timed, are compared. Blocks.
/// Errors: INVALID_ARGUMENT where there are fewer than two variants or their inputs differ, naming
/// the difference; those of the runs, naming the variant.
base::Result<VariantsComparison> CompareVariants(std::vector<Variant>& variants,
                                                 const VariantsOptions& options,
                                                 base::Clock& clock);

/// The first difference of the inputs or outputs of two models in words ("input 0 is "x" …"); empty
/// where they agree. Names of open axes do not count. Pure.
std::string DifferenceOf(const std::vector<model::TensorSpec>& a,
                         const std::vector<model::TensorSpec>& b, const std::string& kind);

/// The table, which is fastest by how much, and what the outputs differ by.
std::string Report(const VariantsComparison& comparison);

}  // namespace muster::bench
