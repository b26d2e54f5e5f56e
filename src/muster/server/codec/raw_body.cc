#include "muster/server/codec/raw_body.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "muster/base/text.h"
#include "muster/server/codec/internal/binary_tensor.h"

namespace muster::server::codec {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;
using tensor::DType;
using tensor::Shape;

// What comes over the wire is used as it is.
static_assert(std::endian::native == std::endian::little);

/// "`a`, `b` and `c`", of the specs that `take` picks.
template <class Take>
std::string Names(const std::vector<model::TensorSpec>& specs, Take take) {
  std::vector<std::string> names;
  for (const model::TensorSpec& spec : specs) {
    if (take(spec)) names.push_back("`" + spec.name + "`");
  }
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

bool IsNumeric(const model::TensorSpec& spec) { return spec.dtype != DType::kBytes; }

/// The shape of `rows` rows of the model's input. Errors: SHAPE where that overflows.
Result<Shape> InputShape(const model::ModelSpec& spec, std::int64_t rows) {
  std::vector<std::int64_t> dims = {rows};
  for (const model::Dim& dim : model::RowDims(spec, spec.inputs[0])) dims.push_back(dim.size);
  auto shape = Shape::Make(dims);
  if (shape) return shape;
  return InvalidArgument("input `" + spec.inputs[0].name + "`: its rows are larger than any body",
                         "SHAPE");
}

/// "4 x FP32, 16 bytes".
std::string RowText(std::int64_t elements, DType dtype, std::size_t bytes) {
  return std::to_string(elements) + " x " + std::string(tensor::DTypeName(dtype)) + ", " +
         std::to_string(bytes) + " bytes";
}

tensor::BufferRef Aligned(tensor::BufferRef bytes, DType dtype) {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  if (address % tensor::DTypeSize(dtype) == 0) return bytes;
  tensor::BufferRef copy = tensor::BufferRef::Allocate(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

/// How many rows `bytes` are, if they are as many as allowed.
Result<std::int64_t> CountRows(std::size_t bytes, const model::TensorSpec& input, const Shape& row,
                               bool batch, std::int64_t max_rows) {
  const std::size_t row_bytes =
      static_cast<std::size_t>(row.elements()) * tensor::DTypeSize(input.dtype);
  const std::string of_row = RowText(row.elements(), input.dtype, row_bytes);
  if (bytes == 0) {
    return InvalidArgument("body: expected rows of input `" + input.name + "` (" + of_row +
                               " each), got an empty body",
                           "EMPTY_BATCH");
  }
  if (bytes % row_bytes != 0) {
    return InvalidArgument("body: expected a multiple of " + std::to_string(row_bytes) +
                               " bytes (input `" + input.name + "`, a row is " + of_row +
                               "), got " + std::to_string(bytes) + " bytes",
                           "SHAPE");
  }
  const auto rows = static_cast<std::int64_t>(bytes / row_bytes);
  if (!batch && rows > 1) {
    return InvalidArgument("body: expected one row (" + of_row + "), got " + std::to_string(rows) +
                               "; many rows go to the same path with /batch behind it",
                           "SHAPE");
  }
  if (rows > max_rows) {
    return InvalidArgument("body: more than " + std::to_string(max_rows) + " rows",
                           "TOO_MANY_VALUES");
  }
  return rows;
}

base::Error RowFailed(const batching::WorkResult& work, std::int64_t rows) {
  const batching::RowError& first = work.errors.front();
  if (rows == 1) return first.error;
  base::Error error = first.error.WithContext("row " + std::to_string(first.row));
  error.message += " (" + std::to_string(work.errors.size()) + " of " + std::to_string(rows) +
                   " rows failed; an answer in JSON has the others)";
  return error;
}

base::Error NoAnswer() {
  return base::Internal("the backend gave no answer for a row", "BACKEND_INVALID");
}

/// `t` with its rows on axis 0, also where it is one value for the only row.
Result<Shape> ShapeOfPart(const tensor::Tensor& t, std::int64_t rows) {
  if (t.shape().rank() == 0 && rows == 1) return Shape{1};
  if (t.shape().rank() == 0 || t.rows() != rows) return NoAnswer();
  return t.shape();
}

}  // namespace

Status CheckRawInput(const registry::ServedVersion& version) {
  const std::vector<model::TensorSpec>& inputs = version.spec.inputs;
  const auto all = [](const model::TensorSpec&) { return true; };
  if (inputs.size() != 1) {
    return InvalidArgument("a raw body is a single input; model `" + version.name + "` takes " +
                               Names(inputs, all) + ": send them as JSON",
                           "MISSING_INPUT");
  }
  const model::TensorSpec& input = inputs[0];
  if (!IsNumeric(input)) {
    return InvalidArgument("input `" + input.name + "`: strings have no raw form; send JSON",
                           "TYPE");
  }
  const std::span<const model::Dim> dims = model::RowDims(version.spec, input);
  if (std::ranges::any_of(dims, &model::Dim::dynamic)) {
    return InvalidArgument("input `" + input.name + "`: a raw body needs rows of a fixed shape, " +
                               input.ToString() + " leaves theirs open; send JSON",
                           "SHAPE");
  }
  if (std::ranges::any_of(dims, [](const model::Dim& dim) { return dim.size == 0; })) {
    return InvalidArgument("input `" + input.name + "`: rows of " + input.ToString() +
                               " have no bytes to count them by; send JSON",
                           "SHAPE");
  }
  MUSTER_RETURN_IF_ERROR(InputShape(version.spec, 1));
  return {};
}

Result<DecodedBody> DecodeRaw(tensor::BufferRef bytes, engine::ModelLease model, bool batch,
                              const DecodeLimits& limits) {
  MUSTER_RETURN_IF_ERROR(CheckRawInput(*model));
  const model::TensorSpec& input = model->spec.inputs[0];
  MUSTER_ASSIGN_OR_RETURN(const Shape row, InputShape(model->spec, 1));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t rows,
                          CountRows(bytes.size(), input, row, batch, limits.max_rows));
  if (input.dtype == DType::kBool) {
    MUSTER_RETURN_IF_ERROR(internal::CheckBools({bytes.data(), bytes.size()}, input.name));
  }
  DecodedBody body;
  body.batch = batch;
  body.slots = rows;
  body.model = std::move(model);
  PredictCall& call = body.calls.emplace_back();
  call.model = body.model;
  call.rows = rows;
  call.slots.resize(static_cast<std::size_t>(rows));
  std::iota(call.slots.begin(), call.slots.end(), 0);
  call.input_shapes = {row.WithRows(rows)};
  MUSTER_ASSIGN_OR_RETURN(tensor::Tensor tensor,
                          tensor::Tensor::View(input.dtype, call.input_shapes[0],
                                               Aligned(std::move(bytes), input.dtype)));
  call.inputs.push_back(std::move(tensor));
  return body;
}

Result<int> ChooseRawOutput(const registry::ServedVersion& version, std::string_view name) {
  const std::vector<model::TensorSpec>& outputs = version.spec.outputs;
  const auto refuse = [&](std::string_view what) {
    const std::string names = Names(outputs, IsNumeric);
    return InvalidArgument(
        "query parameter output: " + std::string(what) + "; model `" + version.name + "` has " +
            (names.empty() ? "no numeric output" : "the numeric outputs " + names),
        "FIELD");
  };
  if (!name.empty()) {
    const int index = version.spec.FindOutput(name);
    if (index < 0) return refuse("no output is called `" + base::Printable(name) + "`");
    if (IsNumeric(outputs[static_cast<std::size_t>(index)])) return index;
    return refuse("`" + base::Printable(name) + "` holds strings, which have no raw form");
  }
  if (std::ranges::count_if(outputs, IsNumeric) != 1) {
    return refuse("a raw answer is one numeric output, and must be told which");
  }
  return static_cast<int>(std::ranges::find_if(outputs, IsNumeric) - outputs.begin());
}

Result<RawAnswer> EncodeRaw(std::string& out, const DecodedBody& body, const CallResult& result,
                            int output) {
  if (!result) return result.error();
  const batching::WorkResult& work = result->work;
  if (!work.errors.empty()) return RowFailed(work, body.slots);
  const auto index = static_cast<std::size_t>(output);
  RawAnswer answer{.model = result->model != nullptr ? result->model : body.model};
  std::int64_t rows = 0;
  for (const batching::WorkPart& part : work.parts) {
    if (index >= part.outputs.size()) return NoAnswer();
    const tensor::Tensor& t = part.outputs[index];
    MUSTER_ASSIGN_OR_RETURN(const Shape shape, ShapeOfPart(t, part.rows));
    if (rows == 0) {
      answer.dtype = t.dtype();
      answer.shape = shape;
      out.reserve(out.size() + t.byte_size() / static_cast<std::size_t>(part.rows) *
                                   static_cast<std::size_t>(body.slots));
    } else if (shape.RowShape() != answer.shape.RowShape()) {
      return InvalidArgument("the rows of this output have different shapes, " +
                                 answer.shape.RowShape().ToString() + " and " +
                                 shape.RowShape().ToString() + "; ask for JSON",
                             "SHAPE");
    }
    out.append(reinterpret_cast<const char*>(t.bytes()), t.byte_size());
    rows += part.rows;
  }
  if (rows == 0 || rows != body.slots) return NoAnswer();
  answer.shape = answer.shape.WithRows(rows);
  return answer;
}

std::string RawShapeText(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) {
    if (!text.empty()) text += ',';
    text += std::to_string(dim);
  }
  return text;
}

}  // namespace muster::server::codec
