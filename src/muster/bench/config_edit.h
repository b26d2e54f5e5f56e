#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "muster/base/result.h"
#include "muster/bench/bare_curve.h"

namespace muster::bench {

/// The text of a muster.yaml with `instances`, `threads` and `max_batch_size` set and every other
/// line as it was, comments on the same lines too; keys that are not there are added at the end.
/// Lines are edited, nothing is written anew. The result is read back: an edit that would change
/// any other setting is refused. Pure. Errors: INVALID_ARGUMENT where `yaml` is not valid, or is
/// written in a way that cannot be edited by line (`{a: 1}`, a value on the next line).
base::Result<std::string> WithTuning(const std::string& yaml, const Split& split,
                                     std::int64_t max_batch_size);

/// Replaces `file` (or what it links to) as a whole, or makes it: readers see the old text or the
/// new one, never a part. Keeps its permissions. Errors: UNAVAILABLE saying what could not be done;
/// then the file is as it was.
base::Status ReplaceFile(const std::string& file, const std::string& text);

}  // namespace muster::bench
