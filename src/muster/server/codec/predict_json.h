#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/engine/engine.h"

namespace muster::server::codec {

/// The shape of a prediction body; the answer mirrors it.
enum class Dialect : std::uint8_t { kInputs, kFeatures, kInstances, kImage, kImages };

struct DecodeLimits {
  std::size_t max_depth = 100;
  /// JSON values of one body; checked before it is parsed, empty lists and objects counting twice.
  std::size_t max_values = 16'777'216;
  std::size_t max_keys = 1'024;  ///< of one object
  std::int64_t max_rows = 1'000'000;
  std::chrono::milliseconds max_timeout{300'000};
};

/// What comes from outside the body.
struct DecodeContext {
  std::string_view model;  ///< from the path; empty: from the body, else the default
  std::string_view version;
  bool batch_route = false;  ///< `/predict/batch`: `inputs` is a list of rows
  /// For the DecodedBody's own lists, which it must outlive, and for what decoding needs meanwhile.
  std::pmr::memory_resource* memory = std::pmr::get_default_resource();
};

/// Finds the version that will answer; an empty name is the default model.
using ModelResolver = std::function<base::Result<engine::ModelLease>(std::string_view model,
                                                                     std::string_view version)>;

/// The rows of one body that go to one model version.
struct PredictCall {
  engine::ModelLease model;
  tensor::TensorList inputs;  ///< each [rows, …], as Engine::Predict takes them
  std::int64_t rows = 0;
  std::pmr::vector<std::int64_t> slots;          ///< row i answers the body's item slots[i]
  std::pmr::vector<tensor::Shape> input_shapes;  ///< of `inputs`, which the engine takes away
};

/// An item that could not be decoded: its slot in the answer is null with this reason. Of a body's
/// errors only the first thousand keep their text.
struct SlotError {
  std::int64_t slot = 0;
  base::Error error;
};

/// A picture as the body has it: a view of the body, or, where JSON has escaped it, of a text of
/// DecodedBody's own.
struct BodyPicture {
  std::int64_t slot = 0;
  engine::EncodedPicture encoded;
};

struct DecodedBody {
  Dialect dialect = Dialect::kInputs;
  bool batch = false;
  std::int64_t slots = 0;               ///< items in the body
  engine::ModelLease model;             ///< of the body as a whole; null where items name theirs
  std::pmr::vector<PredictCall> calls;  ///< one; several where instances name several models
  std::vector<SlotError> errors;        ///< by slot
  std::vector<BodyPicture> pictures;  ///< by slot; not decoded yet, so there are no calls for them
  std::list<std::string> texts;
  int priority = 0;
  std::optional<base::Duration> timeout;
  std::string id;  ///< the client's own name for the request
  std::optional<std::int64_t> top_k;
  std::optional<std::int64_t> max_parallelism;
};

/// Reads a prediction body (UTF-8 JSON followed by ≥ 64 readable bytes). In a batch, an item that
/// does not fit the model becomes a SlotError and the others go on; a single item that does not fit
/// is an error of the whole body. Strict: duplicate keys, NaN, trailing bytes, numbers out of the
/// dtype's range, `true` for a number are refused, never coerced. Thread-safe; keeps a parser per
/// thread.
/// Errors: INVALID_ARGUMENT with reason "JSON", "TOO_DEEP", "TOO_MANY_VALUES", "DUPLICATE_KEY",
/// "TYPE", "OUT_OF_RANGE", "SHAPE", "MISSING_INPUT", "UNKNOWN_INPUT", "EMPTY_BATCH", "FIELD"; and
/// the resolver's.
base::Result<DecodedBody> DecodePredict(std::span<const std::byte> body,
                                        const DecodeContext& context, const DecodeLimits& limits,
                                        const ModelResolver& resolve);

/// Makes the body's call of what came of its pictures, and errors of those that could not be read.
/// For a single picture its error is returned instead. Errors: the picture's own.
base::Status TakePictures(DecodedBody& body, engine::PreparedImages prepared);

/// What one call came to.
using CallResult = base::Result<engine::PredictResponse>;

struct AnswerContext {
  std::string_view request_id;
  std::string_view framework_version;
  base::TimePoint received;   ///< body completely read
  base::TimePoint submitted;  ///< handed to the engine
  base::Clock* clock = nullptr;
};

/// Writes the answer in the body's dialect. `results` are in the order of body.calls. A batch whose
/// calls failed as a whole (queue full, expired) has that error in each slot; for a single item,
/// and for a batch with one call that failed, that error is returned instead and nothing is
/// written. Times: preprocessing = submitted − received, queue and inference from the engine,
/// postprocessing = from the engine's last result until the numbers are written; their sum is
/// inference_time_ms.
base::Status EncodePredict(std::string& out, const DecodedBody& body,
                           std::span<const CallResult> results, const AnswerContext& context);

}  // namespace muster::server::codec
