#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/spec.h"
#include "muster/tensor/tensor.h"

namespace muster::bench {

/// What a request looks like on the wire. A further kind is a path, a media type and a body made
/// from the same rows: one line in requests.cc.
enum class RequestKind : std::uint8_t {
  kJson,  ///< {"inputs": row} to /predict/{model}, {"inputs": [row, …]} to /predict/{model}/batch
  kRaw,   ///< the elements of the only input, little-endian and row-major, to the same paths
  kOip,   ///< Open Inference Protocol v2, JSON: /v2/models/{model}/infer
  kBody,  ///< bytes that are given, of RequestOptions::content_type, to the paths of kJson
};

/// "json", "raw", "oip", "body".
std::string_view RequestKindName(RequestKind kind);

struct RequestOptions {
  RequestKind kind = RequestKind::kJson;
  std::string model;
  std::int64_t rows = 1;
  std::size_t inputs = 512;  ///< distinct ones, as far as the model's types allow
  std::uint64_t seed = 1;
  std::string authority;     ///< "host:port", for the Host header
  int timeout_ms = 0;        ///< sent as X-Request-Timeout-Ms; 0: not sent
  std::string path;          ///< instead of the kind's own; empty: the kind's own
  std::string content_type;  ///< likewise
};

/// The interface of a model from the server's description of it (GET /models/{model}).
/// Errors: INVALID_ARGUMENT for what is no such description.
base::Result<model::ModelSpec> ReadModel(std::string_view description);

/// Where requests of these options go: "/predict/iris".
std::string PathOf(const RequestOptions& options);

/// `body` as a whole HTTP/1.1 request of these options, keep-alive.
std::string RequestBytes(const RequestOptions& options, std::string_view body);

/// One tensor [rows, row dims…] for each input of `spec`, the same for the same seed. Numbers with
/// one decimal, or whole ones, from 0 to 8 (more digits where a row has less than three elements);
/// an axis without a size is 8 long.
/// Errors: INVALID_ARGUMENT naming an input of text.
base::Result<std::vector<tensor::Tensor>> DrawRows(const model::ModelSpec& spec, std::int64_t rows,
                                                   std::uint64_t seed);

/// These rows as the body of a request. Errors: INVALID_ARGUMENT where `kind` cannot carry them.
base::Result<std::string> BodyOf(RequestKind kind, const model::ModelSpec& spec,
                                 const std::vector<tensor::Tensor>& rows);

/// options.inputs different bodies for `spec`, fewer where its types have not so many values.
base::Result<std::vector<std::string>> DrawBodies(const RequestOptions& options,
                                                  const model::ModelSpec& spec);

/// The lines of a file of bodies (or of expected values), empty lines left out.
/// Errors: INVALID_ARGUMENT naming the line that is no JSON.
base::Result<std::vector<std::string>> ReadJsonLines(std::string_view text);

}  // namespace muster::bench
