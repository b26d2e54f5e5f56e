#include "muster/batching/internal/progress.h"

#include <algorithm>
#include <utility>

namespace muster::batching {

// Everything a request that goes through in one run needs is allocated here, by the thread that
// submits, and not later under the batcher's lock.
Progress::Progress(std::int64_t rows) : rows_(rows) {
  result_.parts.reserve(1);
  result_.row_shares.resize(static_cast<std::size_t>(rows));
}

void Progress::AddRun(const RunInfo& run, std::int64_t first, std::int64_t count) {
  const Span span{run.formed, run.finished};
  if (first_span_) {
    more_spans_.push_back(span);
  } else {
    first_span_ = span;
  }
  result_.batch_size = std::max(result_.batch_size, run.rows);
  result_.finished = std::max(result_.finished, run.finished);
  const base::Duration share = (run.finished - run.started) / run.rows;
  const auto begin = result_.row_shares.begin() + first;
  for (auto row = begin; row != begin + count; ++row) *row += share;
}

void Progress::AddPart(WorkPart part) {
  settled_ += part.rows;
  MUSTER_CHECK(settled_ <= rows_, "a row was answered twice");
  result_.parts.push_back(std::move(part));
}

void Progress::AddErrors(std::int64_t first, std::int64_t count, const base::Error& error,
                         base::TimePoint at) {
  settled_ += count;
  MUSTER_CHECK(settled_ <= rows_, "a row was answered twice");
  for (std::int64_t row = first; row < first + count; ++row) {
    result_.errors.push_back({row, error});
  }
  result_.finished = std::max(result_.finished, at);
}

void Progress::FailWhole(base::Error error, base::TimePoint at) {
  whole_ = std::move(error);
  result_.finished = std::max(result_.finished, at);
}

std::int64_t Progress::rows_failed() const {
  return whole_ ? rows_ : static_cast<std::int64_t>(result_.errors.size());
}

WorkResult Progress::Finish(base::TimePoint arrival) && {
  if (whole_) {
    result_.parts.clear();
    result_.errors.clear();
    for (std::int64_t row = 0; row < rows_; ++row) result_.errors.push_back({row, *whole_});
  }
  const auto part_order = [](const WorkPart& a, const WorkPart& b) {
    return a.first_row < b.first_row;
  };
  const auto row_order = [](const RowError& a, const RowError& b) { return a.row < b.row; };
  std::sort(result_.parts.begin(), result_.parts.end(), part_order);
  std::sort(result_.errors.begin(), result_.errors.end(), row_order);
  result_.inference = CoveredTime();
  result_.queue = result_.finished - arrival - result_.inference;
  ScaleShares();
  return std::move(result_);
}

// Runs on several instances overlap, and their results are recorded in any order.
base::Duration Progress::CoveredTime() {
  if (!first_span_) return base::Duration(0);
  if (more_spans_.empty()) return first_span_->to - first_span_->from;
  std::vector<Span> spans = std::move(more_spans_);
  spans.push_back(*first_span_);
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.from < b.from; });
  base::Duration covered{0};
  base::TimePoint end = base::TimePoint::min();
  for (const Span& span : spans) {
    if (span.to <= end) continue;
    covered += span.to - std::max(span.from, end);
    end = span.to;
  }
  return covered;
}

void Progress::ScaleShares() {
  base::Duration sum{0};
  for (const base::Duration share : result_.row_shares) sum += share;
  if (sum <= result_.inference) return;
  // 128 bits: a nanosecond count times another overflows 64 after seconds.
  __extension__ using Wide = __int128;
  for (base::Duration& share : result_.row_shares) {
    share = base::Duration(static_cast<base::Duration::rep>(
        static_cast<Wide>(share.count()) * result_.inference.count() / sum.count()));
  }
}

}  // namespace muster::batching
