#include "muster/server/codec/internal/infer_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "muster/server/codec/internal/binary_tensor.h"
#include "muster/server/codec/internal/greatest.h"
#include "muster/server/codec/internal/tensor_json.h"

namespace muster::server::codec::internal {
namespace {

using base::Result;
using model::BatchAxis;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

base::Error NoAnswer() {
  return base::Internal("the backend gave no answer for a row", "BACKEND_INVALID");
}

base::Error UnequalRows(const registry::ServedVersion& model, std::size_t index, const Shape& a,
                        const Shape& b) {
  return base::InvalidArgument("output `" + model.spec.outputs[index].name +
                                   "`: the rows of this request have different shapes, " +
                                   a.RowShape().ToString() + " and " + b.RowShape().ToString() +
                                   "; send them one by one",
                               "SHAPE");
}

/// What the greatest are chosen by. Whole numbers beyond 2^53 may count as equal to their
/// neighbours.
double ValueAt(const Tensor& t, std::int64_t offset) {
  if (IsFloat(t.dtype())) return FloatAt(t, offset);
  std::int64_t value = 0;
  IntegerAt(t, offset, value);
  if (t.dtype() != DType::kUint64) return static_cast<double>(value);
  return static_cast<double>(static_cast<std::uint64_t>(value));
}

void AppendValue(std::string& out, const Tensor& t, std::int64_t offset) {
  if (!IsFloat(t.dtype())) {
    AppendElements(out, t, offset, {});
    return;
  }
  constexpr int kDecimals = 6;
  // A sign, the digits of the greatest double, the point.
  std::array<char, std::numeric_limits<double>::max_exponent10 + kDecimals + 8> text;
  char* const end = text.data() + text.size();
  out.append(
      text.data(),
      std::to_chars(text.data(), end, FloatAt(t, offset), std::chars_format::fixed, kDecimals).ptr);
}

/// Labels are of the classes that the model's scores are for: an output with as many of them.
const std::vector<std::string>* LabelsFor(const registry::ServedVersion& model, std::size_t index,
                                          std::int64_t classes) {
  const std::vector<std::string>& labels = model.spec.labels;
  const auto output = static_cast<int>(index);
  const bool scores = output == model.layout.probabilities || output == model.layout.scores;
  return scores || classes == static_cast<std::int64_t>(labels.size()) ? &labels : nullptr;
}

Shape ClassesShape(const registry::ServedVersion& model, std::int64_t rows, std::int64_t classes) {
  if (model.spec.batch_axis == BatchAxis::kNone) return {classes};
  return {rows, classes};
}

}  // namespace

Result<AnsweredOutput> GatherOutput(const registry::ServedVersion& model,
                                    const batching::WorkResult& work, std::size_t index,
                                    std::int64_t rows) {
  AnsweredOutput output;
  std::int64_t done = 0;
  for (const batching::WorkPart& part : work.parts) {
    if (index >= part.outputs.size() || part.first_row != done) return NoAnswer();
    const Tensor& t = part.outputs[index];
    if (t.shape().rank() == 0 || t.rows() != part.rows) return NoAnswer();
    if (output.pieces.empty()) {
      output.dtype = t.dtype();
      output.shape = t.shape();
    } else if (t.dtype() != output.dtype) {
      return NoAnswer();
    } else if (t.shape().RowShape() != output.shape.RowShape()) {
      return UnequalRows(model, index, output.shape, t.shape());
    }
    output.pieces.push_back(t);
    done += part.rows;
  }
  if (output.pieces.empty() || done != rows) return NoAnswer();
  const bool no_rows = model.spec.batch_axis == BatchAxis::kNone;
  output.shape = no_rows ? output.shape.RowShape() : output.shape.WithRows(rows);
  return output;
}

AnsweredOutput Classify(const registry::ServedVersion& model, const AnsweredOutput& output,
                        std::size_t index, std::int64_t k) {
  const std::int64_t classes = output.pieces[0].shape().elements_per_row();
  const std::int64_t kept = std::min(k, classes);
  const std::vector<std::string>* const labels = LabelsFor(model, index, classes);
  std::vector<std::string> texts;
  std::int64_t rows = 0;
  for (const Tensor& piece : output.pieces) {
    rows += piece.rows();
    for (std::int64_t row = 0; row < piece.rows(); ++row) {
      const std::int64_t first = row * classes;
      const auto value = [&](std::int64_t i) { return ValueAt(piece, first + i); };
      for (const std::int64_t i : Greatest(classes, kept, value)) {
        std::string& text = texts.emplace_back();
        AppendValue(text, piece, first + i);
        text += ':' + std::to_string(i);
        const auto label = static_cast<std::size_t>(i);
        if (labels != nullptr && label < labels->size()) text += ':' + (*labels)[label];
      }
    }
  }
  AnsweredOutput answer{.dtype = DType::kBytes, .shape = ClassesShape(model, rows, kept)};
  answer.pieces.push_back(
      Tensor::View(DType::kBytes, {rows, kept}, tensor::BufferRef::Strings(std::move(texts)))
          .value());
  return answer;
}

Result<std::size_t> BinarySize(const AnsweredOutput& output) {
  std::size_t size = 0;
  for (const Tensor& piece : output.pieces) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t bytes, BinarySize(piece));
    size += bytes;
  }
  return size;
}

void AppendBinary(std::string& out, const AnsweredOutput& output) {
  for (const Tensor& piece : output.pieces) AppendBinaryTensor(out, piece);
}

bool WriteFlat(JsonWriter& w, const AnsweredOutput& output) {
  std::string& out = w.Value();
  bool nonfinite = false;
  bool first = true;
  for (const Tensor& piece : output.pieces) {
    const std::int64_t elements = piece.shape().elements();
    if (elements == 0) continue;
    // A piece is a list of its own; two become one where "][" becomes ",".
    if (!first) out.pop_back();
    const std::size_t begin = out.size();
    nonfinite |= AppendElements(out, piece, 0, {&elements, 1});
    if (!first) out[begin] = ',';
    first = false;
  }
  if (first) out += "[]";
  return nonfinite;
}

}  // namespace muster::server::codec::internal
