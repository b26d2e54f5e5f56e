#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/server/codec/predict_json.h"
#include "muster/tensor/buffer.h"

namespace muster::server::codec {

/// The Open Inference Protocol v2 over REST, with Triton's binary tensor extension: JSON, maybe
/// followed by the bytes of tensors. All functions are pure and thread-safe.
///
///   auto request = DecodeInfer(body, header_bytes, model, limits);
///   … engine.Predict(rows of request->inputs) …
///   auto json_bytes = EncodeInfer(out, *request, result);

/// What a client asks of one output.
struct RequestedOutput {
  int index = 0;                    ///< into the model's outputs
  bool binary = false;              ///< its bytes behind the JSON
  std::int64_t classification = 0;  ///< the k best classes instead of the numbers, 0: the numbers
};

struct InferRequest {
  std::string id;
  engine::ModelLease model;
  /// In the model's order, each [rows, …] as Engine::Predict takes them.
  tensor::TensorList inputs;
  std::int64_t rows = 1;
  std::vector<RequestedOutput> outputs;  ///< in the order asked; all of the model's where none were
  int priority = 0;                      ///< higher first: PriorityOfLevel
  std::optional<base::Duration> timeout;
};

/// The protocol's priority levels, 1 the highest and 0 none, as priorities (higher first) beside
/// those of requests that name none: 1 goes before them, 2 with them, 3 and so on behind them.
int PriorityOfLevel(std::uint64_t level);
/// The protocol's timeout; 0 is none, and none is longer than the limit.
std::optional<base::Duration> TimeoutOfMicros(std::uint64_t micros, const DecodeLimits& limits);

/// Reads an inference request. `body` is the whole body and shared by the tensors made of its
/// binary part where they are aligned for their dtype (else they are copied); the JSON is its first
/// `header_bytes` bytes (all of it where none are given), followed by ≥ 64 readable bytes.
/// A `header_bytes` of 0 is Triton's raw request: all of the body is the model's only input, whose
/// rows have a fixed shape, and all outputs are binary.
///
/// Axis 0 of every shape is the rows, as many in all inputs, whatever number a run of the model
/// takes. Where the model has no batch axis, shapes are its own and all of them are one row.
///
/// Strict: duplicate and unknown input names, missing inputs, `data` of the wrong count, kind or
/// range (300 is no UINT8, `true` no FP32, 1.5 no INT32), a datatype other than the model's, a
/// shape that is not the model's, bytes left over or missing in the binary part are refused. `data`
/// is flat or nested as the shape is. FP16 and BF16 only come in binary. BYTES come as JSON
/// strings, or in binary each after its length in four bytes, little-endian. Fields and parameters
/// that are not known are passed over; `sequence_*` and `shared_memory_*` are refused.
/// Errors: INVALID_ARGUMENT "JSON", "TYPE", "SHAPE", "OVERFLOW", "EMPTY_BATCH", "OUT_OF_RANGE",
/// "MISSING_INPUT", "UNKNOWN_INPUT", "UNKNOWN_OUTPUT", "DUPLICATE_KEY", "FIELD", "BINARY",
/// "TOO_DEEP", "TOO_MANY_VALUES"; UNIMPLEMENTED "SEQUENCES_UNSUPPORTED",
/// "SHARED_MEMORY_UNSUPPORTED".
base::Result<InferRequest> DecodeInfer(tensor::BufferRef body,
                                       std::optional<std::size_t> header_bytes,
                                       engine::ModelLease model, const DecodeLimits& limits);

/// Appends the answer to `out`: JSON, then the bytes of the outputs asked for in binary. Returns
/// how many bytes are JSON, for the header Inference-Header-Content-Length; none where all are.
/// Numbers that are not finite are null in JSON, and their output has the parameter
/// `nonfinite: true`. Classes are texts "value:index" or, where the class has a label,
/// "value:index:label", greatest value first. A row that failed fails the request, as the protocol
/// has no place for it; then nothing is written.
/// Errors: the result's own; that of its first failed row, with its index where there are several;
/// INVALID_ARGUMENT "SHAPE" for rows of different shapes; INTERNAL "BACKEND_INVALID".
base::Result<std::optional<std::size_t>> EncodeInfer(std::string& out, const InferRequest& request,
                                                     const CallResult& result);

/// {"name","versions","platform","inputs":[{"name","datatype","shape"}],"outputs":[…]}; -1 where an
/// extent is open, the batch axis included. `platform` is Triton's name for the format.
void WriteModelMetadata(std::string& out, const registry::ServedVersion& model,
                        std::span<const std::string> versions);

}  // namespace muster::server::codec
