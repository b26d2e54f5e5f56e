#include "muster/server/codec/internal/answer.h"
#include "muster/server/codec/internal/row_json.h"
#include "muster/server/codec/internal/time_json.h"

namespace muster::server::codec::internal {
namespace {

/// prediction, label?, confidence, probabilities?, classes?, nonfinite?: what a single answer and
/// an item of `instances` share.
void WriteRow(JsonWriter& w, const AnsweredRow& row, std::optional<std::int64_t> top_k) {
  w.Key("prediction");
  bool nonfinite = row.WritePrediction(w);
  if (row.has_labels()) {
    w.Key("label");
    row.WriteLabel(w);
  }
  w.Key("confidence");
  row.WriteConfidence(w);
  if (row.has_probabilities()) {
    w.Key("probabilities");
    nonfinite |= row.WriteProbabilities(w);
    if (top_k) {
      w.Key("classes");
      row.WriteClasses(w, *top_k);
    }
  }
  if (nonfinite) {
    w.Key("nonfinite");
    w.Bool(true);
  }
}

void WriteInstance(JsonWriter& w, const AnswerSlot& slot, std::optional<std::int64_t> top_k) {
  w.BeginObject();
  if (slot.part != nullptr) {
    WriteRow(w, AnsweredRow(slot), top_k);
  } else {
    w.Key("prediction");
    w.Null();
    w.Key("confidence");
    w.Null();
  }
  w.Key("latency_ms");
  AppendMillis(w.Value(), slot.share);
  w.Key("cold_start");
  w.Bool(slot.cold_start);
  if (slot.error != nullptr) {
    w.Key("error");
    // Beyond a number of errors only the reason is kept.
    w.String(slot.error->message.empty() ? slot.error->Reason() : slot.error->message);
  }
  w.EndObject();
}

}  // namespace

void EncodeFeatures(std::string& out, const Answer& answer) {
  const AnswerSlot& slot = answer.slots()[0];
  JsonWriter w(out);
  w.BeginObject();
  WriteRow(w, AnsweredRow(slot), answer.body().top_k);
  w.Key("latency_ms");
  AppendMillis(w.Value(), answer.Times().Total());
  w.Key("cold_start");
  w.Bool(slot.cold_start);
  w.Key("model_id");
  w.String(answer.model()->name);
  w.Key("model_version");
  w.String(answer.model()->version);
  w.EndObject();
}

void EncodeInstances(std::string& out, const Answer& answer) {
  JsonWriter w(out);
  w.BeginObject();
  w.Key("predictions");
  w.BeginArray();
  for (const AnswerSlot& slot : answer.slots()) WriteInstance(w, slot, answer.body().top_k);
  w.EndArray();
  w.Key("total_latency_ms");
  AppendMillis(w.Value(), answer.Times().Total());
  w.Key("success_count");
  w.Number(answer.succeeded());
  w.Key("error_count");
  w.Number(answer.failed());
  w.EndObject();
}

}  // namespace muster::server::codec::internal
