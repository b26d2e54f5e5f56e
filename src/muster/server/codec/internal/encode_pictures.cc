#include "muster/server/codec/internal/answer.h"
#include "muster/server/codec/internal/row_json.h"
#include "muster/server/codec/internal/time_json.h"

namespace muster::server::codec::internal {
namespace {

void WritePredictions(JsonWriter& w, const AnswerSlot& slot, const DecodedBody& body) {
  w.Key("predictions");
  if (slot.part == nullptr) return w.Null();
  AnsweredRow(slot).WriteScores(w, body.top_k);
}

void WriteResult(JsonWriter& w, const AnswerSlot& slot, const DecodedBody& body) {
  w.BeginObject();
  WritePredictions(w, slot, body);
  if (slot.error != nullptr) {
    w.Key("error");
    // Beyond a number of errors only the reason is kept.
    w.String(slot.error->message.empty() ? slot.error->Reason() : slot.error->message);
  }
  w.EndObject();
}

}  // namespace

void EncodePictures(std::string& out, const Answer& answer) {
  JsonWriter w(out);
  w.BeginObject();
  if (answer.body().batch) {
    w.Key("results");
    w.BeginArray();
    for (const AnswerSlot& slot : answer.slots()) WriteResult(w, slot, answer.body());
    w.EndArray();
    w.Key("success_count");
    w.Number(answer.succeeded());
    w.Key("error_count");
    w.Number(answer.failed());
  } else {
    WritePredictions(w, answer.slots()[0], answer.body());
  }
  w.Key("model_name");
  w.String(answer.model()->name);
  w.Key("model_version");
  w.String(answer.model()->version);
  w.Key("request_id");
  w.String(answer.request_id());
  w.Key("processing_time");
  const AnswerTimes times = answer.Times();
  WriteTimes(w, times);
  w.Key("inference_time_ms");
  AppendMillis(w.Value(), times.Total());
  w.EndObject();
}

}  // namespace muster::server::codec::internal
