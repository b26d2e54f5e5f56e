#pragma once

#include <string>
#include <string_view>

#include "muster/base/result.h"

namespace muster::bench {

/// The part of an answer that is a prediction, as JSON text within `body`: the value of the first
/// of "result", "predictions", "outputs", "prediction" that the object has. What surrounds it
/// (times, ids) differs from answer to answer. Empty where there is none or `body` is no JSON
/// object.
std::string_view AnswerValue(std::string_view body);

/// Whether two JSON texts hold the same value: numbers within `tolerance` (relative beyond 1,
/// absolute below), everything else exactly; members named like times (`latency_ms`, `cold_start`)
/// are passed over. Texts of equal bytes are not parsed.
/// Errors: FAILED_PRECONDITION naming the first difference: "at [0][2]: expected 1.5, got 1.7".
base::Status SameValue(std::string_view expected, std::string_view actual, double tolerance);

}  // namespace muster::bench
