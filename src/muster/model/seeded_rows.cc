#include "muster/model/seeded_rows.h"

#include <algorithm>
#include <string>

namespace muster::model {
namespace {

using tensor::DType;
using tensor::Tensor;

template <class T>
void FillNumbers(const Tensor& out, RowStyle style, std::mt19937_64& random) {
  for (T& value : out.data<T>()) {
    if (style == RowStyle::kBinary || std::is_same_v<T, bool>) {
      value = static_cast<T>(random() % 2);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(random() % 4001) / T{1000} - T{2};
    } else {
      value = static_cast<T>(random() % 10);
    }
  }
}

// Sixteen-bit floats from their bits: a random sign and mantissa and an exponent that makes it
// ±[0.5, 2), or 0 and 1.
void FillHalves(const Tensor& out, int mantissa_bits, unsigned exponent_of_one, RowStyle style,
                std::mt19937_64& random) {
  for (std::uint16_t& bits : out.data<std::uint16_t>()) {
    const auto r = static_cast<unsigned>(random());
    const unsigned one = exponent_of_one << mantissa_bits;
    const unsigned mantissa = (r >> 2) & ((1u << mantissa_bits) - 1);
    const unsigned exponent = (exponent_of_one - (r >> 1) % 2) << mantissa_bits;
    bits = static_cast<std::uint16_t>(
        style == RowStyle::kBinary ? (r % 2) * one : (r % 2) << 15 | exponent | mantissa);
  }
}

void FillStrings(const Tensor& out, RowStyle style, std::mt19937_64& random) {
  for (std::string& value : out.data<std::string>()) {
    if (style == RowStyle::kBinary) {
      value = random() % 2 == 0 ? "0" : "1";
      continue;
    }
    value.resize(1 + random() % 4);
    for (char& letter : value) letter = static_cast<char>('a' + random() % 26);
  }
}

void Fill(const Tensor& out, RowStyle style, std::mt19937_64& random) {
  switch (out.dtype()) {
    case DType::kBool:
      return FillNumbers<bool>(out, style, random);
    case DType::kUint8:
      return FillNumbers<std::uint8_t>(out, style, random);
    case DType::kUint16:
      return FillNumbers<std::uint16_t>(out, style, random);
    case DType::kUint32:
      return FillNumbers<std::uint32_t>(out, style, random);
    case DType::kUint64:
      return FillNumbers<std::uint64_t>(out, style, random);
    case DType::kInt8:
      return FillNumbers<std::int8_t>(out, style, random);
    case DType::kInt16:
      return FillNumbers<std::int16_t>(out, style, random);
    case DType::kInt32:
      return FillNumbers<std::int32_t>(out, style, random);
    case DType::kInt64:
      return FillNumbers<std::int64_t>(out, style, random);
    case DType::kFp32:
      return FillNumbers<float>(out, style, random);
    case DType::kFp64:
      return FillNumbers<double>(out, style, random);
    case DType::kFp16:
      return FillHalves(out, 10, 15, style, random);
    case DType::kBf16:
      return FillHalves(out, 7, 127, style, random);
    case DType::kBytes:
      return FillStrings(out, style, random);
  }
}

}  // namespace

base::Result<std::vector<Tensor>> MakeRow(const ModelSpec& spec, RowStyle style,
                                          std::int64_t extent, std::mt19937_64& random) {
  std::vector<Tensor> row;
  for (const TensorSpec& input : spec.inputs) {
    std::vector<std::int64_t> dims = {1};
    for (const Dim& dim : RowDims(spec, input)) {
      dims.push_back(dim.dynamic() ? extent : dim.size);
    }
    MUSTER_ASSIGN_OR_RETURN(const tensor::Shape shape, tensor::Shape::Make(dims));
    row.push_back(Tensor::Allocate(input.dtype, shape));
    Fill(row.back(), style, random);
  }
  return row;
}

bool HasDynamicRowDims(const ModelSpec& spec) {
  return std::ranges::any_of(spec.inputs, [&spec](const TensorSpec& input) {
    return std::ranges::any_of(RowDims(spec, input), &Dim::dynamic);
  });
}

std::vector<Tensor> StackRows(std::span<const std::vector<Tensor>* const> rows) {
  std::vector<Tensor> batch;
  for (std::size_t input = 0; input < rows.front()->size(); ++input) {
    const Tensor& like = (*rows.front())[input];
    batch.push_back(Tensor::Allocate(
        like.dtype(), like.shape().WithRows(static_cast<std::int64_t>(rows.size()))));
    std::vector<Tensor> parts;
    for (const auto* row : rows) parts.push_back((*row)[input]);
    tensor::GatherRows(parts, batch.back());
  }
  return batch;
}

}  // namespace muster::model
