#include "muster/model/spec.h"

#include <algorithm>

namespace muster::model {
namespace {

using tensor::DTypeName;

std::string DimText(const Dim& dim) {
  if (!dim.dynamic()) return std::to_string(dim.size);
  return dim.symbol.empty() ? "?" : dim.symbol;
}

std::string ShapeText(std::span<const Dim> dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += DimText(dims[i]);
  }
  return text + "]";
}

int Find(const std::vector<TensorSpec>& specs, std::string_view name) {
  const auto found = std::ranges::find(specs, name, &TensorSpec::name);
  return found == specs.end() ? -1 : static_cast<int>(found - specs.begin());
}

/// What a value of [rows, …] must look like. Its rows are the batcher's business even where a run
/// takes a fixed number, so they are never shown as one.
std::string ExpectedShape(std::span<const Dim> row) {
  std::vector<Dim> dims = {{Dim::kDynamic, "N"}};
  dims.insert(dims.end(), row.begin(), row.end());
  return ShapeText(dims);
}

bool Fits(std::span<const Dim> row, const tensor::Shape& shape) {
  if (shape.rank() != static_cast<int>(row.size()) + 1) return false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!row[i].dynamic() && row[i].size != shape[static_cast<int>(i) + 1]) return false;
  }
  return true;
}

}  // namespace

std::string TensorSpec::ToString() const {
  return std::string(DTypeName(dtype)) + " " + ShapeText(dims);
}

int ModelSpec::FindInput(std::string_view name) const { return Find(inputs, name); }
int ModelSpec::FindOutput(std::string_view name) const { return Find(outputs, name); }

void DeriveBatchAxis(ModelSpec& spec) {
  spec.batch_axis = BatchAxis::kNone;
  spec.fixed_batch = 0;
  if (spec.inputs.empty() || spec.inputs[0].dims.empty()) return;
  const std::int64_t rows = spec.inputs[0].dims[0].size;
  const auto agrees = [rows](const TensorSpec& input) {
    return !input.dims.empty() && input.dims[0].size == rows;
  };
  if (!std::ranges::all_of(spec.inputs, agrees)) return;
  if (rows == Dim::kDynamic) {
    spec.batch_axis = BatchAxis::kDynamic;
  } else if (rows > 0) {  // a run of no rows answers nothing
    spec.batch_axis = BatchAxis::kFixed;
    spec.fixed_batch = rows;
  }
}

std::span<const Dim> RowDims(const ModelSpec& model, const TensorSpec& spec) {
  const std::span<const Dim> dims = spec.dims;
  // An output may be a scalar even where the inputs have rows.
  return model.batch_axis == BatchAxis::kNone || dims.empty() ? dims : dims.subspan(1);
}

base::Status CheckInput(const ModelSpec& model, const TensorSpec& spec,
                        const tensor::Tensor& value) {
  if (value.dtype() != spec.dtype) {
    return base::InvalidArgument("input `" + spec.name + "`: expected " +
                                     std::string(DTypeName(spec.dtype)) + ", got " +
                                     std::string(DTypeName(value.dtype())),
                                 "TYPE");
  }
  const std::span<const Dim> row = RowDims(model, spec);
  if (!Fits(row, value.shape())) {
    return base::InvalidArgument("input `" + spec.name + "`: expected shape " + ExpectedShape(row) +
                                     ", got " + value.shape().ToString(),
                                 "SHAPE");
  }
  return {};
}

}  // namespace muster::model
