#include "muster/registry/circuit_breaker.h"

#include <algorithm>
#include <utility>

namespace muster::registry {
namespace {

using std::chrono::milliseconds;

// Where the end of what is awaited (a probe's run) is not known.
constexpr milliseconds kRetryWhenUnknown{1'000};

}  // namespace

std::string_view BreakerStateName(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kHalfOpen:
      return "half_open";
    case BreakerState::kOpen:
      break;
  }
  return "open";
}

CircuitBreaker::CircuitBreaker(const CircuitBreakerOptions& options, std::uint32_t seed,
                               Listener listener)
    : options_(options), listener_(std::move(listener)), random_(seed) {}

base::Result<BreakerPass> CircuitBreaker::Admit(base::TimePoint now) {
  if (closed_.load(std::memory_order_relaxed)) return BreakerPass{};
  Change change;
  base::Error refused = base::Unavailable(
      "the model has failed too often of late and is not asked for now", "BREAKER_OPEN");
  BreakerPass pass;
  {
    base::MutexLock lock(mutex_);
    if (state_ == BreakerState::kClosed) return pass;
    if (state_ == BreakerState::kHalfOpen && ProbesAreLost(now)) Open(now, change);
    if (state_ == BreakerState::kOpen && now >= open_until_) {
      Enter(BreakerState::kHalfOpen, now, change);
    }
    if (state_ == BreakerState::kHalfOpen && probes_out_ + probes_passed_ < options_.probes) {
      ++probes_out_;
      last_probe_ = now;
      pass.probe = half_open_;
    } else {
      ++figures_.refused;
      refused.retry_after = RetryAfter(now);
    }
  }
  Tell(change);
  if (pass.probe == 0) return refused;
  return pass;
}

void CircuitBreaker::OnRun(bool succeeded, base::TimePoint now) {
  Change change;
  {
    base::MutexLock lock(mutex_);
    // Open or half-open, runs are of requests from before; what its probes meet decides.
    if (state_ != BreakerState::kClosed || switch_ != BreakerSwitch::kAuto) return;
    Count(succeeded, now);
    if (!succeeded && TooManyFailed(now)) Open(now, change);
  }
  Tell(change);
}

void CircuitBreaker::OnAnswer(BreakerPass pass, ProbeOutcome outcome, base::TimePoint now) {
  if (pass.probe == 0) return;
  Change change;
  {
    base::MutexLock lock(mutex_);
    if (state_ != BreakerState::kHalfOpen || pass.probe != half_open_) return;
    --probes_out_;
    if (outcome == ProbeOutcome::kFailed) Open(now, change);
    if (outcome == ProbeOutcome::kPassed && ++probes_passed_ == options_.probes) Close(now, change);
  }
  Tell(change);
}

void CircuitBreaker::Force(BreakerSwitch position, base::TimePoint now) {
  Change change;
  {
    base::MutexLock lock(mutex_);
    switch_ = position;
    if (position == BreakerSwitch::kForcedOpen) {
      open_until_ = base::kNever;
      Enter(BreakerState::kOpen, now, change);
    } else {
      times_opened_ = 0;
      Close(now, change);
    }
  }
  Tell(change);
}

BreakerSnapshot CircuitBreaker::Snapshot(base::TimePoint now) const {
  base::MutexLock lock(mutex_);
  BreakerSnapshot snapshot = figures_;
  snapshot.state = state_;
  if (state_ != BreakerState::kOpen) return snapshot;
  if (now >= open_until_) {
    snapshot.state = BreakerState::kHalfOpen;
  } else {
    snapshot.retry_after = RetryAfter(now);
  }
  return snapshot;
}

// Threads report a little out of order: what is older than its bucket counts in it all the same.
void CircuitBreaker::Count(bool succeeded, base::TimePoint now) {
  const std::int64_t tick = now.time_since_epoch() / (options_.window / kBuckets);
  Bucket& bucket = buckets_[static_cast<std::size_t>(tick % kBuckets)];
  if (bucket.tick < tick) bucket = {.tick = tick};
  ++bucket.runs;
  if (succeeded) {
    in_a_row_ = 0;
    return;
  }
  ++bucket.failed;
  in_a_row_ = now - last_failure_ <= options_.window ? in_a_row_ + 1 : 1;
  last_failure_ = now;
}

bool CircuitBreaker::TooManyFailed(base::TimePoint now) const {
  if (in_a_row_ >= options_.failed_in_a_row) return true;
  const std::int64_t tick = now.time_since_epoch() / (options_.window / kBuckets);
  std::int64_t runs = 0, failed = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.tick <= tick - kBuckets) continue;
    runs += bucket.runs;
    failed += bucket.failed;
  }
  return runs >= options_.min_runs &&
         static_cast<double>(failed) >= options_.failed_share * static_cast<double>(runs);
}

bool CircuitBreaker::ProbesAreLost(base::TimePoint now) const {
  return probes_out_ > 0 && probes_out_ + probes_passed_ == options_.probes &&
         now - last_probe_ >= options_.probe_at_most;
}

base::Duration CircuitBreaker::NextOpenTime(base::TimePoint now) {
  if (state_ == BreakerState::kClosed && now - closed_at_ >= options_.calm_after) times_opened_ = 0;
  base::Duration time = options_.open_for;
  for (int i = 0; i < times_opened_ && time < options_.open_at_most; ++i) time *= 2;
  ++times_opened_;
  std::uniform_real_distribution<double> vary(1 - options_.jitter, 1 + options_.jitter);
  const auto nanos = static_cast<double>(std::min(time, options_.open_at_most).count());
  return base::Duration(static_cast<base::Duration::rep>(nanos * vary(random_)));
}

void CircuitBreaker::Open(base::TimePoint now, Change& change) {
  open_until_ = now + NextOpenTime(now);
  Enter(BreakerState::kOpen, now, change);
}

void CircuitBreaker::Close(base::TimePoint now, Change& change) {
  closed_at_ = now;
  buckets_.fill({});
  in_a_row_ = 0;
  Enter(BreakerState::kClosed, now, change);
}

void CircuitBreaker::Enter(BreakerState to, base::TimePoint now, Change& change) {
  if (to == BreakerState::kHalfOpen) {
    ++half_open_;
    probes_out_ = probes_passed_ = 0;
  }
  const BreakerState from = std::exchange(state_, to);
  closed_.store(to == BreakerState::kClosed, std::memory_order_relaxed);
  if (from == to) return;
  ++figures_.entered[static_cast<std::size_t>(to)];
  change = {.from = from, .to = to, .retry_after = {}};
  if (to == BreakerState::kOpen) change->retry_after = RetryAfter(now);
}

milliseconds CircuitBreaker::RetryAfter(base::TimePoint now) const {
  if (state_ != BreakerState::kOpen) return kRetryWhenUnknown;
  if (switch_ == BreakerSwitch::kForcedOpen) {
    return std::chrono::ceil<milliseconds>(options_.open_at_most);
  }
  return std::chrono::ceil<milliseconds>(open_until_ - now);
}

void CircuitBreaker::Tell(const Change& change) const {
  if (change && listener_) listener_(*change);
}

}  // namespace muster::registry
