#include "muster/model/layout.h"

#include <cctype>
#include <string>

namespace muster::model {
namespace {

bool IsFloat(tensor::DType t) {
  return t == tensor::DType::kFp32 || t == tensor::DType::kFp64 || t == tensor::DType::kFp16 ||
         t == tensor::DType::kBf16;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool NamedProbabilities(const std::string& name) {
  const std::string lower = Lower(name);
  return lower.starts_with("prob") || lower.find("probab") != std::string::npos;
}

/// Elements of one row, or -1 where they vary or are more than can be counted.
std::int64_t RowElements(const ModelSpec& model, const TensorSpec& output) {
  std::int64_t n = 1;
  for (const Dim& dim : RowDims(model, output)) {
    if (dim.dynamic()) return -1;
    if (__builtin_mul_overflow(n, dim.size, &n)) return -1;
  }
  return n;
}

bool IsScoreVector(const ModelSpec& model, const TensorSpec& output) {
  // A converter may leave the class axis unnamed and open; one row axis is enough to know it.
  const std::int64_t n = RowElements(model, output);
  return IsFloat(output.dtype) && RowDims(model, output).size() == 1 && (n >= 2 || n == -1);
}

int FindProbabilities(const ModelSpec& model) {
  int only = -1;
  int count = 0;
  for (int i = 0; i < static_cast<int>(model.outputs.size()); ++i) {
    const TensorSpec& output = model.outputs[static_cast<std::size_t>(i)];
    if (!IsScoreVector(model, output)) continue;
    if (NamedProbabilities(output.name)) return i;
    only = i;
    ++count;
  }
  if (count != 1) return -1;
  const auto k = RowElements(model, model.outputs[static_cast<std::size_t>(only)]);
  return k >= 2 && k == static_cast<std::int64_t>(model.labels.size()) ? only : -1;
}

int FindPrediction(const ModelSpec& model, int probabilities) {
  for (int i = 0; i < static_cast<int>(model.outputs.size()); ++i) {
    const TensorSpec& output = model.outputs[static_cast<std::size_t>(i)];
    if (i != probabilities && RowElements(model, output) == 1) return i;
  }
  return probabilities < 0 && model.outputs.size() == 1 ? 0 : -1;
}

}  // namespace

PredictionLayout DeriveLayout(const ModelSpec& spec) {
  PredictionLayout layout;
  layout.probabilities = FindProbabilities(spec);
  layout.prediction = FindPrediction(spec, layout.probabilities);
  return layout;
}

}  // namespace muster::model
