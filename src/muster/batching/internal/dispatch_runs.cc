#include <algorithm>
#include <optional>
#include <utility>

#include "muster/batching/internal/dispatch.h"

// What becomes of the rows of runs, and the figures about them; see dispatch.cc for how work gets
// to executors.

namespace muster::batching {

void Dispatch::StartRunning(const FormedBatch& batch) {
  ++figures_.running;
  figures_.running_rows += batch.rows;
}

RunInfo Dispatch::BeginRun(const FormedBatch& batch) {
  RunInfo run;
  run.id = NewRunId();
  run.batch = batch.number;
  run.rows = batch.rows;
  run.reason = batch.reason;
  run.formed = batch.formed;
  return run;
}

RunInfo Dispatch::BeginExtraRun(std::int64_t rows) {
  base::MutexLock lock(mutex_);
  ++figures_.running;
  figures_.running_rows += rows;
  RunInfo run;
  run.id = NewRunId();
  run.rows = rows;
  run.reason = LaunchReason::kIsolate;
  run.formed = clock_.Now();
  return run;
}

void Dispatch::CountRun(const RunInfo& run, bool succeeded) {
  --figures_.running;
  figures_.running_rows -= run.rows;
  ++figures_.runs;
  ++figures_.launches[static_cast<std::size_t>(run.reason)];
  const base::Duration time = run.finished - run.started;
  batch_rows_.Record(static_cast<std::uint64_t>(run.rows));
  run_time_.Record(time);
  if (!succeeded) ++figures_.failed_runs;
  if (run.batch == 0) return;
  std::optional<base::Duration> took;
  if (succeeded) took = run.finished - run.formed;
  queue_.EndRun(run.batch, took, run.finished);
}

void Dispatch::Succeed(const RunInfo& run, std::span<const Slice> slices, std::span<WorkPart> parts,
                       Deliveries& answers) {
  {
    base::MutexLock lock(mutex_);
    Settle(run, slices, parts, answers);
  }
  FinishResults(answers);
}

void Dispatch::Settle(const RunInfo& run, std::span<const Slice> slices, std::span<WorkPart> parts,
                      Deliveries& done) {
  CountRun(run, true);
  budget_.OnRun(slices.front().pending->kind, run.rows, run.cost);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    Pending& pending = *slices[i].pending;
    if (pending.state == Pending::State::kAnswered) continue;
    pending.progress.AddRun(run, slices[i].first_row, slices[i].rows);
    pending.progress.AddPart(std::move(parts[i]));
    AnswerIfComplete(slices[i].pending, done);
  }
}

void Dispatch::Retry(const RunInfo& run, std::span<const Slice> slices) {
  base::MutexLock lock(mutex_);
  CountRun(run, false);
  for (const Slice& slice : slices) {
    if (slice.pending->state == Pending::State::kAnswered) continue;
    slice.pending->progress.AddRun(run, slice.first_row, slice.rows);
  }
}

void Dispatch::Fail(std::span<const Slice> slices, const base::Error& error) {
  Deliveries done;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    for (const Slice& slice : slices) {
      FailSlice(slice, error, now);
      AnswerIfComplete(slice.pending, done);
    }
  }
  Finish(done);
}

void Dispatch::FailSlice(const Slice& slice, const base::Error& error, base::TimePoint at) {
  Pending& pending = *slice.pending;
  if (pending.state == Pending::State::kAnswered) return;
  if (pending.item.isolation == Isolation::kRow) {
    pending.progress.AddErrors(slice.first_row, slice.rows, error, at);
    return;
  }
  pending.progress.FailWhole(error, at);
  queue_.Remove(slice.pending);
}

void Dispatch::CloseDead(std::span<const Slice> units, std::vector<bool>& open) {
  Deliveries done;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.Now();
    const base::Error late = base::DeadlineExceeded(
        "the deadline passed before the row could be run again without those that made the run "
        "fail");
    for (std::size_t i = 0; i < units.size(); ++i) {
      if (!open[i]) continue;
      if (units[i].pending->item.deadline <= now) {
        FailSlice(units[i], late, now);
        AnswerIfComplete(units[i].pending, done);
        open[i] = false;
      } else if (units[i].pending->state == Pending::State::kAnswered) {
        open[i] = false;
      }
    }
  }
  Finish(done);
}

void Dispatch::AnswerIfComplete(const PendingPtr& pending, Deliveries& out) {
  if (pending->state == Pending::State::kAnswered || !pending->progress.complete()) return;
  pending->state = Pending::State::kAnswered;
  const std::int64_t failed = pending->progress.rows_failed();
  figures_.rows_failed += static_cast<std::uint64_t>(failed);
  figures_.rows_succeeded += static_cast<std::uint64_t>(pending->item.rows - failed);
  ++figures_.requests_answered;
  out.Add(pending);
}

// Answered requests are ours alone: the rest needs no lock.
void Dispatch::FinishResults(Deliveries& done) {
  for (const PendingPtr& pending : done.pending()) {
    WorkResult result = std::move(pending->progress).Finish(pending->arrival);
    queue_wait_.Record(result.queue);
    pending->outcome = std::move(result);
  }
}

void Dispatch::Finish(Deliveries& done) {
  FinishResults(done);
  done.Post();
}

void Dispatch::IsolateClient(const std::string& client) {
  base::MutexLock lock(mutex_);
  queue_.IsolateClient(client, clock_.Now());
}

bool Dispatch::any_run_succeeded() const {
  base::MutexLock lock(mutex_);
  return figures_.runs > figures_.failed_runs;
}

void Dispatch::FillSnapshot(BatcherSnapshot& snapshot) const {
  base::MutexLock lock(mutex_);
  snapshot = figures_;
  snapshot.waiting_rows = queue_.waiting_rows();
  snapshot.waiting_requests = queue_.waiting_requests();
  const base::TimePoint now = clock_.Now();
  if (snapshot.waiting_requests > 0) {
    snapshot.oldest_wait = std::max(base::Duration(0), now - queue_.OldestArrival());
  }
  snapshot.curve = queue_.Curve(now);
  snapshot.efficient_rows = queue_.EfficientRows(now);
  snapshot.offered_load = queue_.OfferedLoad(now);
  snapshot.batch_rows = batch_rows_.Snapshot();
  snapshot.queue_wait = queue_wait_.Snapshot();
  snapshot.run_time = run_time_.Snapshot();
}

}  // namespace muster::batching
