#pragma once

#include "muster/model/spec.h"

namespace muster::model {

/// Which outputs answer "what is it" and "how sure", for answers that have one prediction and one
/// confidence. Indices into ModelSpec::outputs, or -1.
struct PredictionLayout {
  /// The class or value itself: an integer or string output of one element a row, a single number a
  /// row, or the only output.
  int prediction = -1;
  /// Class probabilities: a floating-point output of k ≥ 2 numbers a row. Its largest value is the
  /// confidence, and its place the class where there is no `prediction`.
  int probabilities = -1;
  /// Scores of classes for a picture: `probabilities`, or what a configuration names, which may be
  /// logits. Only where the model takes pictures.
  int scores = -1;
};

/// Reads the layout from names and shapes, as classifiers are exported in practice: an output whose
/// name begins with "prob" or contains "probab" holds probabilities; so does the only
/// floating-point output of k ≥ 2 numbers a row where the model has k labels.
PredictionLayout DeriveLayout(const ModelSpec& spec);

}  // namespace muster::model
