#pragma once

#include <string>
#include <string_view>

#include "muster/server/codec/predict_json.h"
#include "muster/tensor/buffer.h"

namespace muster::server::codec {

/// Bodies that are one tensor and nothing else: little-endian, row-major, rows = bytes / bytes of a
/// row. All functions are thread-safe.
///
///   MUSTER_RETURN_IF_ERROR(CheckRawInput(*model));              // before the body is read
///   auto body = DecodeRaw(bytes, model, batch, limits);
///   auto answer = EncodeRaw(out, *body, result, *ChooseRawOutput(*model, "probabilities"));

/// Whether rows of this version can be told apart in a raw body: one numeric input whose rows have
/// a fixed shape. Errors: INVALID_ARGUMENT "MISSING_INPUT" (several inputs), "TYPE" (strings),
/// "SHAPE" (open extents, empty rows); each names the inputs.
base::Status CheckRawInput(const registry::ServedVersion& version);

/// The body's rows as the model's input, which shares `bytes` and copies them only where they are
/// not aligned for the dtype. Not `batch`: exactly one row, so that the shape of the answer never
/// depends on the data. NaN and infinities pass.
/// Errors: those of CheckRawInput; INVALID_ARGUMENT "EMPTY_BATCH", "SHAPE" (not whole rows; several
/// where one is expected), "TOO_MANY_VALUES" (rows), "OUT_OF_RANGE" (a BOOL that is not 0 or 1).
base::Result<DecodedBody> DecodeRaw(tensor::BufferRef bytes, engine::ModelLease model, bool batch,
                                    const DecodeLimits& limits);

/// The index of the output that a raw answer is to be: the one called `name`, or the only numeric
/// one if that is empty. Errors: INVALID_ARGUMENT "FIELD", naming the numeric outputs.
base::Result<int> ChooseRawOutput(const registry::ServedVersion& version, std::string_view name);

/// What the bytes of a raw answer are.
struct RawAnswer {
  engine::ModelLease model;  ///< that answered
  tensor::DType dtype = tensor::DType::kFp32;
  tensor::Shape shape;  ///< [rows, …]
};

/// Appends the bytes of all rows of one output to `out`. There is no place for a row without an
/// answer, so one that failed is the error of the whole. Errors: the call's own; that of the first
/// failed row, with its index; INVALID_ARGUMENT "SHAPE" for rows of different shapes.
base::Result<RawAnswer> EncodeRaw(std::string& out, const DecodedBody& body,
                                  const CallResult& result, int output);

/// "3,224,224".
std::string RawShapeText(const tensor::Shape& shape);

}  // namespace muster::server::codec
