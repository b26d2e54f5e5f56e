#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/work.h"

namespace muster::batching {

/// What has come back for one request so far: parts, errors and the times of its runs, which may
/// overlap (a request split over instances) and repeat (rows run again after a failure). Pure.
/// Every row is settled once, by a part or an error; a second time is a broken invariant.
class Progress {
 public:
  explicit Progress(std::int64_t rows);

  /// Rows [first, first + count) were in this run, whatever came of it.
  void AddRun(const RunInfo& run, std::int64_t first, std::int64_t count);
  void AddPart(WorkPart part);
  void AddErrors(std::int64_t first, std::int64_t count, const base::Error& error,
                 base::TimePoint at);
  /// All rows fail with `error`, those that had an answer too.
  void FailWhole(base::Error error, base::TimePoint at);

  bool complete() const { return whole_.has_value() || settled_ == rows_; }
  std::int64_t rows_failed() const;

  /// The answer, once complete. Times are exact: `inference` is the length of the union of all runs
  /// [formed, finished], `queue` the rest since `arrival`.
  WorkResult Finish(base::TimePoint arrival) &&;

 private:
  struct Span {
    base::TimePoint from, to;
  };
  base::Duration CoveredTime();
  void ScaleShares();

  std::int64_t rows_;
  std::int64_t settled_ = 0;
  std::optional<base::Error> whole_;
  std::optional<Span> first_span_;  // most requests have no other
  std::vector<Span> more_spans_;
  WorkResult result_;
};

}  // namespace muster::batching
