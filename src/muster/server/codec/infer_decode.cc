#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/body_fields.h"
#include "muster/server/codec/internal/infer_inputs.h"
#include "muster/server/codec/internal/infer_names.h"
#include "muster/server/codec/internal/infer_outputs.h"
#include "muster/server/codec/internal/json_fields.h"
#include "muster/server/codec/raw_body.h"

namespace muster::server::codec {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;
using internal::JsonError;
using internal::KindOf;
using internal::Path;
namespace od = internal::od;

// Depths of values: 1 is the body itself.
constexpr std::size_t kFieldDepth = 2;
constexpr std::size_t kParameterDepth = 3;

/// Reads one request; a class only for what its steps share.
class RequestReader {
 public:
  RequestReader(internal::JsonReader& reader, engine::ModelLease model)
      : reader_(reader), inputs_(reader, *model), outputs_(reader, *model) {
    request_.model = std::move(model);
  }

  Result<InferRequest> Read(const tensor::BufferRef& body, std::size_t json_bytes) {
    MUSTER_ASSIGN_OR_RETURN(od::object root, reader_.Root());
    MUSTER_RETURN_IF_ERROR(internal::ForEachField(
        reader_, root, Path("body"),
        [this](std::string_view key, od::value value) { return Field(key, value, Path(key)); }));
    MUSTER_RETURN_IF_ERROR(reader_.AtEnd());
    MUSTER_RETURN_IF_ERROR(inputs_.ReadBinary(body, json_bytes));
    MUSTER_ASSIGN_OR_RETURN(request_.inputs, inputs_.Finish());
    request_.rows = inputs_.rows();
    request_.outputs = outputs_.Finish(binary_output_);
    return std::move(request_);
  }

 private:
  Status Field(std::string_view key, od::value value, const Path& path) {
    // null is how many clients write a field that is not there.
    if (KindOf(value) != internal::Kind::kNull) {
      if (key == "id") return internal::ReadId(reader_, value, path, request_.id);
      if (key == "inputs") return inputs_.Read(value, path);
      if (key == "outputs") return outputs_.Read(value, path);
      if (key == "parameters") return Parameters(value, path);
    }
    return reader_.Walk(value, kFieldDepth, path);
  }

  Status Parameters(od::value value, const Path& path) {
    MUSTER_ASSIGN_OR_RETURN(od::object object,
                            internal::ReadObject(reader_, value, kFieldDepth, path));
    return internal::ForEachField(reader_, object, path,
                                  [&](std::string_view key, od::value parameter) {
                                    return Parameter(key, parameter, Path(path, key));
                                  });
  }

  Status Parameter(std::string_view key, od::value value, const Path& path) {
    if (KindOf(value) != internal::Kind::kNull) {
      if (key == "priority") return Priority(value, path);
      if (key == "timeout") return Timeout(value, path);
      if (key == "binary_data_output") {
        MUSTER_ASSIGN_OR_RETURN(binary_output_,
                                internal::ReadBool(reader_, value, kParameterDepth, path));
        return {};
      }
      MUSTER_RETURN_IF_ERROR(internal::CheckSupported(key, path));
    }
    return reader_.Walk(value, kParameterDepth, path);
  }

  Status Priority(od::value value, const Path& path) {
    MUSTER_ASSIGN_OR_RETURN(const std::uint64_t level,
                            internal::ReadCount(reader_, value, kParameterDepth, path));
    request_.priority = PriorityOfLevel(level);
    return {};
  }

  Status Timeout(od::value value, const Path& path) {
    MUSTER_ASSIGN_OR_RETURN(const std::uint64_t micros,
                            internal::ReadCount(reader_, value, kParameterDepth, path));
    request_.timeout = TimeoutOfMicros(micros, reader_.limits());
    return {};
  }

  internal::JsonReader& reader_;
  InferRequest request_;
  internal::InferInputs inputs_;
  internal::InferOutputs outputs_;
  bool binary_output_ = false;
};

/// A request without JSON, which is answered in binary too.
Result<InferRequest> ReadRaw(tensor::BufferRef body, engine::ModelLease model,
                             const DecodeLimits& limits) {
  MUSTER_ASSIGN_OR_RETURN(DecodedBody raw,
                          DecodeRaw(std::move(body), model, /*batch=*/true, limits));
  PredictCall& call = raw.calls[0];
  if (model->spec.batch_axis == model::BatchAxis::kNone && call.rows != 1) {
    return InvalidArgument("input `" + model->spec.inputs[0].name + "`: expected " +
                               model->spec.inputs[0].ToString() + " once, got it " +
                               std::to_string(call.rows) + " times",
                           "SHAPE");
  }
  InferRequest request{.inputs = std::move(call.inputs), .rows = call.rows};
  for (std::size_t i = 0; i < model->spec.outputs.size(); ++i) {
    request.outputs.push_back({.index = static_cast<int>(i), .binary = true});
  }
  request.model = std::move(model);
  return request;
}

}  // namespace

int PriorityOfLevel(std::uint64_t level) {
  constexpr std::uint64_t kDefaultLevel = 2;
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
  if (level == 0) return 0;
  return static_cast<int>(kDefaultLevel) - static_cast<int>(std::min(level, kMost));
}

std::optional<base::Duration> TimeoutOfMicros(std::uint64_t micros, const DecodeLimits& limits) {
  if (micros == 0) return std::nullopt;
  const auto most = std::chrono::duration_cast<std::chrono::microseconds>(limits.max_timeout);
  if (micros >= static_cast<std::uint64_t>(most.count())) return limits.max_timeout;
  return std::chrono::microseconds(static_cast<std::int64_t>(micros));
}

Result<InferRequest> DecodeInfer(tensor::BufferRef body, std::optional<std::size_t> header_bytes,
                                 engine::ModelLease model, const DecodeLimits& limits) {
  if (header_bytes == std::size_t{0}) return ReadRaw(std::move(body), std::move(model), limits);
  const std::size_t json_bytes = header_bytes.value_or(body.size());
  if (json_bytes > body.size()) {
    return InvalidArgument("body: expected " + std::to_string(json_bytes) +
                               " bytes of JSON, as the header Inference-Header-Content-Length " +
                               "says, got " + std::to_string(body.size()) + " bytes in all",
                           "BINARY");
  }
  internal::JsonReader reader(limits);
  MUSTER_RETURN_IF_ERROR(reader.Open({body.data(), json_bytes}));
  return RequestReader(reader, std::move(model)).Read(body, json_bytes);
}

}  // namespace muster::server::codec
