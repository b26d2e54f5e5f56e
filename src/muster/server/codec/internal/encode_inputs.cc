#include <algorithm>
#include <array>
#include <optional>

#include "muster/server/codec/internal/answer.h"
#include "muster/server/codec/internal/row_json.h"
#include "muster/server/codec/internal/time_json.h"

namespace muster::server::codec::internal {
namespace {

/// The shape of all rows of one input or output, whatever calls and parts they came in.
struct Dims {
  std::array<std::int64_t, tensor::Shape::kMaxRank> sizes{};
  std::size_t rank = 0;

  /// Adds the rows of one more tensor; extents that differ become -1, as for a dynamic axis.
  void Add(const tensor::Shape& shape, std::int64_t rows) {
    const std::span<const std::int64_t> dims = shape.dims();
    if (rank == 0) {
      std::copy(dims.begin(), dims.end(), sizes.begin());
      rank = std::max<std::size_t>(1, dims.size());
      sizes[0] = 0;
    }
    sizes[0] += rows;
    for (std::size_t i = 1; i < rank && i < dims.size(); ++i) {
      if (sizes[i] != dims[i]) sizes[i] = -1;
    }
  }
};

void WriteDims(JsonWriter& w, const Dims& dims) {
  w.BeginArray();
  for (std::size_t i = 0; i < dims.rank; ++i) w.Number(dims.sizes[i]);
  w.EndArray();
}

/// A list for the only tensor, an object by name for several, null for none.
template <class DimsOf>
void WriteShapes(JsonWriter& w, const std::vector<model::TensorSpec>& specs, std::size_t count,
                 DimsOf dims_of) {
  if (count == 0) return w.Null();
  if (count == 1) return WriteDims(w, dims_of(0));
  w.BeginObject();
  for (std::size_t i = 0; i < count; ++i) {
    w.AnyKey(i < specs.size() ? std::string_view(specs[i].name) : std::string_view());
    WriteDims(w, dims_of(i));
  }
  w.EndObject();
}

class InputsEncoder {
 public:
  InputsEncoder(std::string& out, const Answer& answer) : w_(out), answer_(answer) {}

  void Single() {
    const AnswerSlot& slot = answer_.slots()[0];
    const AnsweredRow row(slot);
    w_.BeginObject();
    w_.Key("success");
    w_.Bool(true);
    w_.Key("result");
    nonfinite_ = row.WriteOutputs(w_);
    if (row.has_labels()) {
      w_.Key("label");
      row.WriteLabel(w_);
    }
    if (answer_.body().top_k && row.has_probabilities()) {
      w_.Key("classes");
      row.WriteClasses(w_, *answer_.body().top_k);
    }
    w_.Key("error");
    w_.Null();
    times_ = answer_.Times();
    Common();
    w_.Key("model_version");
    w_.String(answer_.model()->version);
    w_.Key("processing_time");
    AppendSeconds(w_.Value(), times_.Total());
    w_.Key("metadata");
    w_.BeginObject();
    Metadata();
    w_.EndObject();
    w_.EndObject();
  }

  void Batch() {
    w_.BeginObject();
    w_.Key("success");
    w_.Bool(answer_.succeeded() > 0);
    w_.Key("predictions");
    EachRow([this](const AnsweredRow& row) { nonfinite_ |= row.WriteOutputs(w_); });
    if (!answer_.model()->spec.labels.empty()) {
      w_.Key("labels");
      EachRow([this](const AnsweredRow& row) { row.WriteLabel(w_); });
    }
    if (answer_.body().top_k && answer_.model()->layout.probabilities >= 0) {
      w_.Key("classes");
      EachRow([this](const AnsweredRow& row) {
        if (!row.has_probabilities()) return w_.Null();
        row.WriteClasses(w_, *answer_.body().top_k);
      });
    }
    times_ = answer_.Times();
    Common();
    w_.Key("batch_info");
    BatchInfo();
    w_.Key("metadata");
    w_.BeginObject();
    Metadata();
    w_.Key("batch_processing");
    w_.Bool(true);
    w_.Key("individual_inference_times");
    w_.BeginArray();
    for (const AnswerSlot& slot : answer_.slots()) AppendMillis(w_.Value(), slot.share);
    w_.EndArray();
    w_.EndObject();
    w_.Key("warnings");
    Warnings();
    w_.EndObject();
  }

 private:
  /// A list with one value for each item, null for the failed ones.
  template <class Write>
  void EachRow(Write write) {
    w_.BeginArray();
    for (const AnswerSlot& slot : answer_.slots()) {
      if (slot.part == nullptr) {
        w_.Null();
      } else {
        write(AnsweredRow(slot));
      }
    }
    w_.EndArray();
  }

  void Common() {
    w_.Key("model_name");
    w_.String(answer_.model()->name);
    w_.Key("inference_time_ms");
    AppendMillis(w_.Value(), times_.Total());
    w_.Key("timestamp");
    w_.Time(answer_.context().clock->WallNow());
    w_.Key("request_id");
    w_.String(answer_.request_id());
  }

  void ProcessingTime() {
    w_.Key("processing_time");
    WriteTimes(w_, times_);
  }

  void Metadata() {
    w_.Key("framework_version");
    w_.String(answer_.context().framework_version);
    w_.Key("model_version");
    w_.String(answer_.model()->version);
    const model::ModelSpec& spec = answer_.model()->spec;
    w_.Key("input_shape");
    WriteShapes(w_, spec.inputs, InputCount(), [this](std::size_t i) { return InputDims(i); });
    w_.Key("output_shape");
    WriteShapes(w_, spec.outputs, OutputCount(), [this](std::size_t i) { return OutputDims(i); });
    w_.Key("batch_size");
    w_.Number(answer_.batch_size());
    if (nonfinite_) {
      w_.Key("nonfinite");
      w_.Bool(true);
    }
    ProcessingTime();
  }

  std::size_t InputCount() const {
    const auto& calls = answer_.body().calls;
    return calls.empty() ? 0 : calls.front().input_shapes.size();
  }

  Dims InputDims(std::size_t i) const {
    Dims dims;
    for (const PredictCall& call : answer_.body().calls) {
      dims.Add(call.input_shapes[i], call.rows);
    }
    return dims;
  }

  template <class Visit>
  void EachPart(Visit visit) const {
    for (const CallResult& result : answer_.results()) {
      if (!result) continue;
      for (const batching::WorkPart& part : result->work.parts) visit(part);
    }
  }

  std::size_t OutputCount() const {
    std::size_t count = 0;
    EachPart([&](const batching::WorkPart& part) { count = part.outputs.size(); });
    return count;
  }

  Dims OutputDims(std::size_t i) const {
    Dims dims;
    EachPart([&](const batching::WorkPart& part) {
      if (i < part.outputs.size()) dims.Add(part.outputs[i].shape(), part.rows);
    });
    return dims;
  }

  void BatchInfo() {
    w_.BeginObject();
    w_.Key("batch_size");
    w_.Number(answer_.body().slots);
    w_.Key("successful_predictions");
    w_.Number(answer_.succeeded());
    w_.Key("failed_predictions");
    w_.Number(answer_.failed());
    w_.Key("failed_indices");
    EachFailed([this](std::int64_t index, const AnswerSlot&) { w_.Number(index); });
    w_.Key("failure_reasons");
    EachFailed([this](std::int64_t index, const AnswerSlot& slot) { Reason(index, slot); });
    ProcessingTime();
    w_.EndObject();
  }

  template <class Write>
  void EachFailed(Write write) {
    w_.BeginArray();
    for (std::size_t i = 0; answer_.failed() > 0 && i < answer_.slots().size(); ++i) {
      const AnswerSlot& slot = answer_.slots()[i];
      if (slot.part == nullptr) write(static_cast<std::int64_t>(i), slot);
    }
    w_.EndArray();
  }

  void Reason(std::int64_t index, const AnswerSlot& slot) {
    text_ = slot.decoded ? "Prediction failed for index " : "Input validation failed for index ";
    text_ += std::to_string(index);
    if (!slot.error->message.empty()) text_ += ": " + slot.error->message;
    w_.String(text_);
  }

  void Warnings() {
    w_.BeginArray();
    if (answer_.failed() > 0) {
      w_.String(
          std::to_string(answer_.failed()) + " of " + std::to_string(answer_.body().slots) +
          " predictions failed; batch_info.failed_indices and failure_reasons say which and why");
    }
    w_.EndArray();
  }

  JsonWriter w_;
  const Answer& answer_;
  AnswerTimes times_;
  bool nonfinite_ = false;
  std::string text_;
};

}  // namespace

void EncodeInputs(std::string& out, const Answer& answer) {
  InputsEncoder encoder(out, answer);
  if (answer.body().batch) {
    encoder.Batch();
  } else {
    encoder.Single();
  }
}

}  // namespace muster::server::codec::internal
