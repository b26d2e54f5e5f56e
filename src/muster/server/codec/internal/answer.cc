#include "muster/server/codec/internal/answer.h"

#include <algorithm>

#include "muster/server/codec/internal/time_json.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::Status;

/// A result that keeps neither rows nor errors for a row has broken its promise; the row fails.
const Error& NoAnswer() {
  static const Error error =
      base::Internal("the backend gave no answer for this row", "BACKEND_INVALID");
  return error;
}

/// The call that ended last: the critical path goes through it.
const engine::PredictResponse* LastToEnd(std::span<const CallResult> results) {
  const engine::PredictResponse* last = nullptr;
  for (const CallResult& result : results) {
    if (result && (last == nullptr || result->work.finished > last->work.finished)) last = &*result;
  }
  return last;
}

}  // namespace

Answer::Answer(const DecodedBody& body, std::span<const CallResult> results,
               const AnswerContext& context)
    : body_(body),
      results_(results),
      context_(context),
      model_(body.model),
      slots_(static_cast<std::size_t>(body.slots), body.calls.get_allocator()) {
  for (const SlotError& slot : body.errors) {
    slots_[static_cast<std::size_t>(slot.slot)] = {.error = &slot.error, .decoded = false};
  }
  for (std::size_t i = 0; i < body.calls.size(); ++i) {
    PlaceRows(body.calls[i], results[i]);
    if (model_ == nullptr) model_ = body.calls[i].model;
    // The engine may have answered with another version than was asked for.
    if (results[i] && results[i]->model != nullptr && i == 0) model_ = results[i]->model;
  }
  failed_ = std::count_if(slots_.begin(), slots_.end(),
                          [](const AnswerSlot& slot) { return slot.part == nullptr; });
}

void Answer::PlaceRows(const PredictCall& call, const CallResult& result) {
  const auto slot_of = [&](std::int64_t row) -> AnswerSlot& {
    return slots_[static_cast<std::size_t>(call.slots[static_cast<std::size_t>(row)])];
  };
  for (std::int64_t row = 0; row < call.rows; ++row) {
    slot_of(row).error = result ? &NoAnswer() : &result.error();
  }
  if (!result) return;
  const batching::WorkResult& work = result->work;
  const registry::ServedVersion* model = (result->model ? result->model : call.model).get();
  for (const batching::WorkPart& part : work.parts) {
    for (std::int64_t i = 0; i < part.rows && part.first_row + i < call.rows; ++i) {
      AnswerSlot& slot = slot_of(part.first_row + i);
      slot.model = model;
      slot.part = &part;
      slot.row = i;
      slot.error = nullptr;
    }
  }
  for (const batching::RowError& failed : work.errors) {
    if (failed.row >= call.rows) continue;
    AnswerSlot& slot = slot_of(failed.row);
    slot.part = nullptr;
    slot.error = &failed.error;
  }
  for (std::int64_t row = 0; row < call.rows; ++row) {
    AnswerSlot& slot = slot_of(row);
    slot.cold_start = result->cold_start;
    const auto i = static_cast<std::size_t>(row);
    if (i < work.row_shares.size()) slot.share = work.row_shares[i];
  }
}

std::string_view Answer::request_id() const {
  return body_.id.empty() ? context_.request_id : std::string_view(body_.id);
}

std::int64_t Answer::batch_size() const {
  std::int64_t rows = 0;
  for (const CallResult& result : results_) {
    if (result) rows = std::max(rows, result->work.batch_size);
  }
  return rows;
}

AnswerTimes Answer::Times() const {
  AnswerTimes times;
  times.preprocessing = std::max(base::Duration(0), context_.submitted - context_.received);
  base::TimePoint last = context_.submitted;
  if (const engine::PredictResponse* response = LastToEnd(results_)) {
    times.inference = response->work.inference;
    last = response->work.finished;
    // Under max_parallelism a call waits for others before it is submitted.
    times.queue = std::max(response->work.queue, last - context_.submitted - times.inference);
  }
  times.postprocessing = std::max(base::Duration(0), context_.clock->Now() - last);
  return times;
}

void WriteTimes(JsonWriter& w, const AnswerTimes& times) {
  const auto write = [&w](std::string_view key, base::Duration d) {
    w.Key(key);
    AppendMillis(w.Value(), d);
  };
  w.BeginObject();
  write("preprocessing_ms", times.preprocessing);
  write("queue_ms", times.queue);
  write("inference_ms", times.inference);
  write("postprocessing_ms", times.postprocessing);
  w.EndObject();
}

Status WholeError(const DecodedBody& body, std::span<const CallResult> results) {
  MUSTER_CHECK(results.size() == body.calls.size(), "one result for each call");
  if (results.size() == 1 && !results[0]) return results[0].error();
  if (body.batch) return {};
  MUSTER_CHECK(results.size() == 1, "a single prediction is one call");
  const batching::WorkResult& work = results[0]->work;
  if (!work.errors.empty()) return work.errors[0].error;
  if (work.parts.empty()) return NoAnswer();
  return {};
}

}  // namespace muster::server::codec::internal
