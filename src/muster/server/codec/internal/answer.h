#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string>
#include <vector>

#include "muster/server/codec/json_writer.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec::internal {

/// Where one item of the body is answered: a row of a part, or an error.
struct AnswerSlot {
  const registry::ServedVersion* model = nullptr;  ///< null only where `part` is
  const batching::WorkPart* part = nullptr;        ///< null for a failed item
  std::int64_t row = 0;                            ///< of the part
  base::Duration share{0};
  const base::Error* error = nullptr;
  bool decoded = true;  ///< false: the item did not fit the model
  bool cold_start = false;
};

/// The four times of an answer, which sum to its total.
struct AnswerTimes {
  base::Duration preprocessing{0};
  base::Duration queue{0};
  base::Duration inference{0};
  base::Duration postprocessing{0};
  base::Duration Total() const { return preprocessing + queue + inference + postprocessing; }
};

/// A body's results by its items, and what the dialects' answers have in common.
class Answer {
 public:
  /// All arguments outlive this.
  Answer(const DecodedBody& body, std::span<const CallResult> results,
         const AnswerContext& context);

  const DecodedBody& body() const { return body_; }
  const AnswerContext& context() const { return context_; }
  const std::pmr::vector<AnswerSlot>& slots() const { return slots_; }
  std::int64_t failed() const { return failed_; }
  std::int64_t succeeded() const { return body_.slots - failed_; }
  std::span<const CallResult> results() const { return results_; }
  /// The version that answers the body as a whole; null where items name theirs and all failed.
  const engine::ModelLease& model() const { return model_; }
  /// The client's id, else the server's.
  std::string_view request_id() const;
  /// Rows of the largest run.
  std::int64_t batch_size() const;
  /// Reads the clock: once, after the predictions are written.
  AnswerTimes Times() const;

 private:
  void PlaceRows(const PredictCall& call, const CallResult& result);

  const DecodedBody& body_;
  std::span<const CallResult> results_;
  const AnswerContext& context_;
  engine::ModelLease model_;
  std::pmr::vector<AnswerSlot> slots_;  // where the body is
  std::int64_t failed_ = 0;
};

/// {"preprocessing_ms", …}
void WriteTimes(JsonWriter& w, const AnswerTimes& times);

/// The error that is the whole answer, if there is one.
base::Status WholeError(const DecodedBody& body, std::span<const CallResult> results);

void EncodeInputs(std::string& out, const Answer& answer);
void EncodeFeatures(std::string& out, const Answer& answer);
void EncodeInstances(std::string& out, const Answer& answer);
void EncodePictures(std::string& out, const Answer& answer);

}  // namespace muster::server::codec::internal
