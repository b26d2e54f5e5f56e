#include "muster/server/codec/internal/row_json.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "muster/server/codec/internal/greatest.h"
#include "muster/server/codec/internal/tensor_json.h"

namespace muster::server::codec::internal {
namespace {

void WriteTextOrNull(JsonWriter& w, std::optional<std::string_view> text) {
  if (text) {
    w.String(*text);
  } else {
    w.Null();
  }
}

}  // namespace

const tensor::Tensor* AnsweredRow::Output(int index) const {
  const auto i = static_cast<std::size_t>(index);
  return index >= 0 && i < part_.outputs.size() ? &part_.outputs[i] : nullptr;
}

const tensor::Tensor* AnsweredRow::Probabilities() const {
  const tensor::Tensor* output = Output(model_.layout.probabilities);
  return output != nullptr && IsFloat(output->dtype()) ? output : nullptr;
}

bool AnsweredRow::WriteOutputs(JsonWriter& w) const {
  const std::vector<model::TensorSpec>& specs = model_.spec.outputs;
  if (part_.outputs.size() == 1) return AppendRow(w.Value(), part_.outputs[0], row_);
  bool nonfinite = false;
  w.BeginObject();
  for (std::size_t i = 0; i < part_.outputs.size() && i < specs.size(); ++i) {
    w.AnyKey(specs[i].name);
    nonfinite |= AppendRow(w.Value(), part_.outputs[i], row_);
  }
  w.EndObject();
  return nonfinite;
}

bool AnsweredRow::WritePrediction(JsonWriter& w) const {
  if (const tensor::Tensor* output = Output(model_.layout.prediction)) {
    if (output->shape().elements_per_row() != 1) return AppendRow(w.Value(), *output, row_);
    return AppendElements(w.Value(), *output, Offset(*output), {});
  }
  if (Probabilities() == nullptr) return WriteOutputs(w);
  const std::int64_t best = MostProbable();
  if (best < 0) {
    w.Null();
  } else {
    w.Number(best);
  }
  return best < 0;
}

std::optional<std::string_view> AnsweredRow::LabelOfClass(std::int64_t index) const {
  const std::vector<std::string>& labels = model_.spec.labels;
  if (index < 0 || index >= static_cast<std::int64_t>(labels.size())) return std::nullopt;
  return labels[static_cast<std::size_t>(index)];
}

std::optional<std::string_view> AnsweredRow::Label() const {
  const tensor::Tensor* output = Output(model_.layout.prediction);
  if (output == nullptr || output->shape().elements_per_row() != 1) {
    return LabelOfClass(MostProbable());
  }
  if (output->dtype() == tensor::DType::kBytes) return output->strings()[Offset(*output)];
  std::int64_t predicted = 0;
  if (!IntegerAt(*output, Offset(*output), predicted)) return LabelOfClass(MostProbable());
  // Labels out of a model are the class numbers themselves, which need not be 0, 1, 2 …; labels out
  // of a configuration are names in the order of the classes.
  const std::vector<std::string>& labels = model_.spec.labels;
  const auto at = std::find(labels.begin(), labels.end(), std::to_string(predicted));
  return at != labels.end() ? std::optional<std::string_view>(*at) : LabelOfClass(predicted);
}

void AnsweredRow::WriteLabel(JsonWriter& w) const { WriteTextOrNull(w, Label()); }

std::int64_t AnsweredRow::MostProbable() const {
  const tensor::Tensor* p = Probabilities();
  if (p == nullptr) return -1;
  std::int64_t best = -1;
  double greatest = 0;
  for (std::int64_t i = 0; i < p->shape().elements_per_row(); ++i) {
    const double v = FloatAt(*p, Offset(*p) + i);
    if (std::isnan(v) || (best >= 0 && v <= greatest)) continue;
    best = i;
    greatest = v;
  }
  return best;
}

void AnsweredRow::WriteConfidence(JsonWriter& w) const {
  const std::int64_t best = MostProbable();
  if (best < 0) return w.Null();
  const tensor::Tensor& p = *Probabilities();
  AppendElements(w.Value(), p, Offset(p) + best, {});
}

bool AnsweredRow::WriteProbabilities(JsonWriter& w) const {
  return AppendRow(w.Value(), *Probabilities(), row_);
}

// Softmax with the greatest taken off first, so that nothing overflows. Scores that are between 0
// and 1 and sum to 1, as far as single precision and FP16 sum, are a distribution already.
std::vector<double> AnsweredRow::Confidences(const tensor::Tensor& scores) const {
  constexpr double kSlack = 1e-2;
  using Choice = model::ImageOptions::Choice;
  const auto n = static_cast<std::size_t>(scores.shape().elements_per_row());
  std::vector<double> values(n);
  double sum = 0, least = INFINITY, most = -INFINITY;
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = FloatAt(scores, Offset(scores) + static_cast<std::int64_t>(i));
    sum += values[i];
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
  }
  const Choice softmax = model_.config.image->softmax;
  const bool distribution = least >= 0 && most <= 1 + kSlack && std::fabs(sum - 1) <= kSlack;
  if (softmax == Choice::kNo || (softmax == Choice::kAuto && distribution)) return values;
  sum = 0;
  for (double& value : values) sum += value = std::exp(value - most);
  for (double& value : values) value /= sum;
  return values;
}

void AnsweredRow::WriteScores(JsonWriter& w, std::optional<std::int64_t> k) const {
  w.BeginArray();
  const tensor::Tensor* const scores = Output(model_.layout.scores);
  if (scores != nullptr && IsFloat(scores->dtype()) && model_.config.image) {
    const std::vector<double> confidences = Confidences(*scores);
    const auto value = [&](std::int64_t i) { return confidences[static_cast<std::size_t>(i)]; };
    const auto n = static_cast<std::int64_t>(confidences.size());
    for (const std::int64_t i : Greatest(n, k.value_or(model_.config.image->top_k), value)) {
      w.BeginObject();
      w.Key("class_id");
      w.Number(i);
      if (has_labels()) {
        w.Key("label");
        WriteTextOrNull(w, LabelOfClass(i));
      }
      w.Key("confidence");
      w.Number(static_cast<float>(value(i)));
      w.EndObject();
    }
  }
  w.EndArray();
}

void AnsweredRow::WriteClasses(JsonWriter& w, std::int64_t k) const {
  const tensor::Tensor& p = *Probabilities();
  const auto value = [&](std::int64_t i) { return FloatAt(p, Offset(p) + i); };
  w.BeginArray();
  for (const std::int64_t i : Greatest(p.shape().elements_per_row(), k, value)) {
    w.BeginObject();
    w.Key("class_id");
    w.Number(i);
    if (has_labels()) {
      w.Key("label");
      WriteTextOrNull(w, LabelOfClass(i));
    }
    w.Key("confidence");
    AppendElements(w.Value(), p, Offset(p) + i, {});
    w.EndObject();
  }
  w.EndArray();
}

}  // namespace muster::server::codec::internal
