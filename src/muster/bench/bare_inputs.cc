#include "muster/bench/bare_inputs.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "muster/model/seeded_rows.h"

namespace muster::bench {
namespace {

using model::BatchAxis;
using model::RowStyle;

constexpr std::int64_t kLargestExtent = 8;
constexpr int kTried = 8;  // rows that must be accepted before all others are made alike

/// Which made-up rows a model takes.
struct RowKind {
  RowStyle style = RowStyle::kVaried;
  std::int64_t extent = 1;
};

/// A run's inputs from [rows, …]: those of a model without an axis of rows have none.
Tensors AsRun(const model::ModelSpec& spec, Tensors inputs) {
  if (spec.batch_axis != BatchAxis::kNone) return inputs;
  for (tensor::Tensor& input : inputs) input = input.Reshaped(input.shape().RowShape());
  return inputs;
}

Tensors Repeated(const model::ModelSpec& spec, Tensors row) {
  if (spec.batch_axis != BatchAxis::kFixed) return AsRun(spec, std::move(row));
  return model::StackRows(
      std::vector<const Tensors*>(static_cast<std::size_t>(spec.fixed_batch), &row));
}

base::Status TryKind(const model::ModelSpec& spec, model::Instance& instance, const RowKind& kind) {
  std::mt19937_64 random(1);
  for (int i = 0; i < kTried; ++i) {
    MUSTER_ASSIGN_OR_RETURN(Tensors row, model::MakeRow(spec, kind.style, kind.extent, random));
    auto outputs = model::RunAndWait(instance, Repeated(spec, std::move(row)));
    if (!outputs) return outputs.error();
  }
  return {};
}

base::Result<RowKind> FindKind(const model::ModelSpec& spec, model::Instance& instance) {
  base::Error refusal;
  const std::int64_t extents = model::HasDynamicRowDims(spec) ? kLargestExtent : 1;
  for (const RowStyle style : {RowStyle::kVaried, RowStyle::kBinary}) {
    for (std::int64_t extent = 1; extent <= extents; ++extent) {
      const base::Status status = TryKind(spec, instance, {style, extent});
      if (status) return RowKind{style, extent};
      refusal = status.error();
    }
  }
  return base::FailedPrecondition("the model accepts no row of made-up values, the last because: " +
                                  refusal.message);
}

std::int64_t BytesOf(const Tensors& row) {
  constexpr std::int64_t kBytesOfAString = 64;
  std::int64_t bytes = 0;
  for (const tensor::Tensor& input : row) {
    bytes += input.dtype() == tensor::DType::kBytes ? input.shape().elements() * kBytesOfAString
                                                    : static_cast<std::int64_t>(input.byte_size());
  }
  return std::max<std::int64_t>(bytes, 1);
}

/// Rows that a batch may reach beyond the last: none where every size divides the number of rows.
std::int64_t OverhangOf(const std::vector<std::int64_t>& sizes, std::int64_t distinct) {
  std::int64_t overhang = 0;
  for (const std::int64_t size : sizes) {
    if (distinct % size != 0) overhang = std::max(overhang, size - 1);
  }
  return overhang;
}

base::Status CheckSizes(const model::ModelSpec& spec, const std::vector<std::int64_t>& sizes) {
  for (const std::int64_t size : sizes) {
    if (size >= 1 && SizesOf(spec, {size}) == std::vector{size}) continue;
    return base::InvalidArgument("the model cannot run " + std::to_string(size) +
                                 " rows at once: it takes " +
                                 std::to_string(SizesOf(spec, {}).front()) + " a run");
  }
  return {};
}

/// All rows, one after another, the overhang being the first ones again.
base::Result<Tensors> MakeRows(const model::ModelSpec& spec, const RowKind& kind,
                               std::int64_t distinct, std::int64_t rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Tensors all;
  for (std::int64_t i = 0; i < distinct; ++i) {
    MUSTER_ASSIGN_OR_RETURN(const Tensors row,
                            model::MakeRow(spec, kind.style, kind.extent, random));
    for (std::size_t input = 0; input < row.size(); ++input) {
      if (i == 0) {
        all.push_back(
            tensor::Tensor::Allocate(row[input].dtype(), row[input].shape().WithRows(rows)));
      }
      for (std::int64_t at = i; at < rows; at += distinct) {
        tensor::GatherRows(std::span(&row[input], 1), all[input], at);
      }
    }
  }
  return all;
}

}  // namespace

base::Result<BareInputs> BareInputs::Make(const model::ModelSpec& spec, model::Instance& instance,
                                          const std::vector<std::int64_t>& sizes,
                                          const InputOptions& options) try {
  MUSTER_RETURN_IF_ERROR(CheckSizes(spec, sizes));
  MUSTER_ASSIGN_OR_RETURN(const RowKind kind, FindKind(spec, instance));
  std::mt19937_64 random(options.seed);
  MUSTER_ASSIGN_OR_RETURN(const Tensors row, model::MakeRow(spec, kind.style, kind.extent, random));
  const std::int64_t distinct =
      std::clamp<std::int64_t>(options.max_bytes / BytesOf(row), 1, options.distinct);
  const std::int64_t rows = distinct + OverhangOf(sizes, distinct);
  if (rows > 4 * options.max_bytes / BytesOf(row)) {
    return base::ResourceExhausted("the inputs of runs of " +
                                   std::to_string(std::ranges::max(sizes)) + " rows, " +
                                   std::to_string(BytesOf(row)) + " bytes each, are too large");
  }
  MUSTER_ASSIGN_OR_RETURN(Tensors all, MakeRows(spec, kind, distinct, rows, options.seed));
  return BareInputs(spec, std::move(all), distinct);
} catch (const std::bad_alloc&) {
  return base::ResourceExhausted("there is no memory for the inputs");
}

std::int64_t BareInputs::Batches(std::int64_t size) const {
  return distinct_ / std::gcd(distinct_, size);
}

Tensors BareInputs::Batch(std::int64_t size, std::int64_t k) const {
  Tensors batch;
  for (const tensor::Tensor& input : rows_) batch.push_back(input.Rows(RowAt(size, k, 0), size));
  return AsRun(*spec_, std::move(batch));
}

std::int64_t BareInputs::RowAt(std::int64_t size, std::int64_t k, std::int64_t place) const {
  return (k * size + place) % distinct_;
}

Tensors BareInputs::Alone(std::int64_t row) const {
  Tensors alone;
  for (const tensor::Tensor& input : rows_) alone.push_back(input.Rows(row, 1));
  return Repeated(*spec_, std::move(alone));
}

std::vector<std::int64_t> SizesOf(const model::ModelSpec& spec, std::vector<std::int64_t> wanted) {
  if (spec.batch_axis == BatchAxis::kFixed) return {spec.fixed_batch};
  if (spec.batch_axis == BatchAxis::kNone) return {1};
  return wanted;
}

}  // namespace muster::bench
