#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "muster/server/codec/internal/answer.h"

namespace muster::server::codec::internal {

/// One answered row, read through its model's layout. `slot.part` must not be null.
class AnsweredRow {
 public:
  explicit AnsweredRow(const AnswerSlot& slot)
      : part_(*slot.part), row_(slot.row), model_(*slot.model) {}

  /// All outputs: the only one's row, or an object by name. True if a number was not finite.
  bool WriteOutputs(JsonWriter& w) const;
  /// The one value that answers "what is it", without a list around it where it is one number.
  bool WritePrediction(JsonWriter& w) const;
  /// The class's label, or null; only for models with labels.
  void WriteLabel(JsonWriter& w) const;
  /// The highest probability, or null where the model gives none.
  void WriteConfidence(JsonWriter& w) const;
  bool has_labels() const { return !model_.spec.labels.empty(); }
  bool has_probabilities() const { return Probabilities() != nullptr; }
  /// Only where it has probabilities; true if one was not finite.
  bool WriteProbabilities(JsonWriter& w) const;
  /// The most probable classes of a picture, best first: as many as `k` or the configuration says,
  /// with probabilities as confidence also where the model gives logits.
  void WriteScores(JsonWriter& w, std::optional<std::int64_t> k) const;
  /// The `k` most probable classes, best first.
  void WriteClasses(JsonWriter& w, std::int64_t k) const;

 private:
  const tensor::Tensor* Output(int index) const;
  const tensor::Tensor* Probabilities() const;
  std::vector<double> Confidences(const tensor::Tensor& scores) const;
  /// Of the row's probabilities, -1 where none is a number.
  std::int64_t MostProbable() const;
  std::optional<std::string_view> Label() const;
  std::optional<std::string_view> LabelOfClass(std::int64_t index) const;
  std::int64_t Offset(const tensor::Tensor& t) const { return row_ * t.shape().elements_per_row(); }

  const batching::WorkPart& part_;
  std::int64_t row_;
  const registry::ServedVersion& model_;
};

}  // namespace muster::server::codec::internal
