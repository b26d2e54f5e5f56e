#include "muster/batching/internal/queue_checker.h"

#include <algorithm>
#include <cmath>

namespace muster::batching {
namespace {

constexpr std::chrono::milliseconds kSoonestRetry{1};
constexpr std::chrono::milliseconds kLatestRetry{60'000};

}  // namespace

// --- Coming

void QueueChecker::Push(const PendingPtr& pending, base::TimePoint now) {
  Tell(now);
  Expire();
  const char* const expected = Expected(*pending);
  const bool may_be_late = options_.refuse_late && pending->item.deadline != base::kNever &&
                           !(waiting_.empty() && under_way_ < options_.instances);
  Entry entry = EntryOf(pending);
  const auto owners = pending.use_count();
  const base::Status pushed = queue_.Push(pending, now);
  if (!pushed) {
    Require(pending.use_count() == owners, "a refused request is kept");
    const bool late = pushed.error().Reason() == "OVERLOADED";
    tally_.overloaded += late;
    tally_.full += pushed.error().Reason() == "QUEUE_FULL";
    Require(!late || ended_, "OVERLOADED though nothing was learned");
    Require(!late || may_be_late, "OVERLOADED though nothing waits and an instance is free");
    CheckRefusal(*pending, pushed.error(), late && expected == nullptr ? "OVERLOADED" : expected);
    return;
  }
  Require(expected == nullptr, "accepted what must be refused");
  tally_.larger_than_bound += pending->item.rows > options_.max_rows;
  entry.key.sequence = next_sequence_++;
  if (pending->bucket != nullptr) entry.curve = pending->bucket->curve;
  waiting_.push_back(std::move(entry));
}

// As it comes.
QueueChecker::Entry QueueChecker::EntryOf(const PendingPtr& pending) const {
  const WorkItem& item = pending->item;
  const base::TimePoint order = item.deadline_is_explicit ? item.deadline : base::kNever;
  return {.pending = pending,
          .width = item.inputs[0].shape()[1],
          .rows = item.rows,
          .taken = 0,
          .key = {-std::int64_t{item.priority}, order, 0},
          .deadline = item.deadline,
          .arrival = told_,
          .cancelled = item.cancelled,
          .alone = Isolated(item.client)};
}

// The reason for which it must be refused; null: for none but its being too late.
const char* QueueChecker::Expected(const Pending& pending) const {
  if (pending.item.cancelled.stop_requested()) return "CANCELLED";
  if (pending.item.deadline <= told_) return "EXPIRED";
  if (draining_) return "DRAINING";
  const bool fits = rows() + pending.item.rows <= options_.max_rows &&
                    bytes() + pending.bytes <= options_.max_bytes;
  return fits || waiting_.empty() ? nullptr : "QUEUE_FULL";
}

void QueueChecker::CheckRefusal(const Pending& pending, const base::Error& error,
                                const char* expected) {
  Require(expected != nullptr, "refused without a reason");
  Require(expected == nullptr || error.Reason() == expected, "refused for another reason");
  Require(pending.queued == nullptr, "a refused request is queued");
  const bool again =
      error.code == base::Code::kUnavailable || error.code == base::Code::kResourceExhausted;
  if (!again) return;
  Require(error.retry_after >= kSoonestRetry, "retry at once");
  Require(error.retry_after <= kLatestRetry, "retry after more than a minute");
}

void QueueChecker::IsolateClient(const std::string& client, base::TimePoint now) {
  queue_.IsolateClient(client, now);
  if (client.empty()) return;
  isolated_[client] = now + options_.isolate_for;
  for (Entry& entry : waiting_) {
    if (entry.pending->item.client != client) continue;
    entry.alone = true;
    if (entry.pending->bucket != nullptr) entry.curve = entry.pending->bucket->curve;
  }
}

// --- Leaving

void QueueChecker::Expire() {
  const auto dies = [this](const Entry& entry) { return entry.deadline <= told_; };
  for (const Entry& entry : waiting_) {
    if (dies(entry)) expired_.push_back(entry.pending);
  }
  tally_.expired += static_cast<std::int64_t>(std::erase_if(waiting_, dies));
}

void QueueChecker::RemoveDead(base::TimePoint now) {
  Tell(now);
  Expire();
  std::vector<PendingPtr> dead = queue_.RemoveDead(now);
  std::sort(dead.begin(), dead.end());
  std::sort(expired_.begin(), expired_.end());
  Require(dead == expired_, "the dead are not those that have expired");
  expired_.clear();
}

bool QueueChecker::Remove(const PendingPtr& pending) {
  const Entry* const entry = Find(pending.get());
  Require(queue_.Remove(pending) == (entry != nullptr), "Remove says the wrong thing");
  if (entry == nullptr) return false;
  waiting_.erase(waiting_.begin() + (entry - waiting_.data()));
  return true;
}

void QueueChecker::EndRun(std::uint64_t batch, std::optional<base::Duration> took,
                          base::TimePoint now) {
  Tell(now);
  queue_.EndRun(batch, took, now);
  --under_way_;
  ended_ = ended_ || took.has_value();
}

void QueueChecker::Drain() {
  queue_.Drain();
  draining_ = true;
}

// --- Figures

QueueChecker::Entry* QueueChecker::Find(const Pending* pending) {
  const auto found = std::ranges::find_if(
      waiting_, [pending](const Entry& entry) { return entry.pending.get() == pending; });
  return found == waiting_.end() ? nullptr : &*found;
}

std::int64_t QueueChecker::rows() const {
  std::int64_t rows = 0;
  for (const Entry& entry : waiting_) rows += entry.untaken();
  return rows;
}

std::size_t QueueChecker::bytes() const {
  std::int64_t numbers = 0;
  for (const Entry& entry : waiting_) numbers += entry.untaken() * entry.width;
  return static_cast<std::size_t>(numbers) * sizeof(float);
}

void QueueChecker::CheckFigures() {
  base::TimePoint oldest = base::kNever, deadline = base::kNever;
  for (const Entry& entry : waiting_) {
    oldest = std::min(oldest, entry.arrival);
    deadline = std::min(deadline, entry.deadline);
  }
  if (!expired_.empty()) deadline = base::TimePoint::min();
  Require(queue_.waiting_rows() == rows(), "waiting_rows has drifted");
  Require(queue_.waiting_bytes() == bytes(), "waiting_bytes has drifted");
  Require(queue_.waiting_requests() == static_cast<std::int64_t>(waiting_.size()),
          "waiting_requests has drifted");
  Require(queue_.OldestArrival() == oldest, "OldestArrival is another's");
  Require(queue_.NextDeadline() == deadline, "NextDeadline is another's");
}

void QueueChecker::CheckLearned(base::TimePoint now) {
  const double load = queue_.OfferedLoad(now);
  Require(std::isfinite(load) && load >= 0, "the offered load is no load");
  const std::int64_t efficient = queue_.EfficientRows(now);
  Require(ended_ ? efficient >= 1 && efficient <= options_.max_run_rows : efficient == 0,
          "EfficientRows is out of bounds");
  CurvePoint last;
  for (const CurvePoint& point : queue_.Curve(now)) {
    Require(point.rows > last.rows && point.rows <= static_cast<double>(options_.max_run_rows),
            "the curve's sizes do not grow");
    Require(point.typical >= last.typical && point.upper >= last.upper, "the curve falls");
    Require(point.upper >= point.typical, "few runs take longer than upper, half than typical");
    Require(point.typical.count() > 0 && point.runs > 0, "the curve has an empty point");
    last = point;
  }
  Require(ended_ == (last.runs > 0), "the curve is there too early or not at all");
}

void QueueChecker::CheckEmpty() {
  Require(waiting_.empty() && expired_.empty() && under_way_ == 0, "drained, and some are left");
}

void QueueChecker::CheckReleased(const std::vector<PendingPtr>& all) {
  for (const PendingPtr& pending : all) {
    Require(pending.use_count() == 1, "an ended request is kept");
  }
}

}  // namespace muster::batching
