#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/bench/client.h"
#include "muster/bench/settings.h"

namespace muster::bench {

/// What is sent, and what must come back.
struct Workload {
  Url url;
  Endpoint endpoint;
  std::string model;
  std::string path;
  RequestKind kind = RequestKind::kJson;
  std::vector<std::string> messages;  ///< whole HTTP requests, by input
  std::vector<std::string> expected;  ///< the values of their answers as JSON; empty: not compared
  double tolerance = 0;
  std::string server;  ///< what the server says it is: "muster 0.1.0"; empty: unknown

  /// Empty where `body` holds what is expected of `input`, else the difference.
  std::string Difference(std::size_t input, std::string_view body) const;
};

/// What the path of a URL says of the requests: `/predict/iris` and `/v2/models/iris/infer` name
/// the model, the latter the kind too; other paths are taken as they are, with the model they name,
/// if any. Errors: INVALID_ARGUMENT where request.model is another model.
base::Status ReadPath(std::string_view path, RequestOptions& request);

/// Finds the server and the model, makes the messages, and sends each once alone: every answer must
/// be 200. Blocks for as long as that takes. `stop` is looked at between requests.
/// Errors: UNAVAILABLE without a server, NOT_FOUND naming the models there are, INVALID_ARGUMENT,
/// FAILED_PRECONDITION for a refused input or a wrong answer, CANCELLED once stopped.
base::Result<Workload> PrepareWorkload(const Settings& settings, const std::atomic<bool>& stop);

}  // namespace muster::bench
