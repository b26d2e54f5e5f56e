#include "muster/bench/load_loop.h"

#include <algorithm>
#include <utility>

namespace muster::bench {

using base::Duration;
using base::TimePoint;

LoadLoop::LoadLoop(const LoadPlan& plan, Wire& wire, Tally& tally)
    : plan_(plan),
      wire_(wire),
      tally_(tally),
      free_(std::max(plan.connections, plan.max_connections) + plan.burst),
      next_arrival_(plan.first_arrival),
      next_input_(plan.inputs == 0 ? 0 : plan.first_input % plan.inputs) {
  connections_.reserve(std::max(plan.connections, plan.max_connections) + plan.burst);
}

void LoadLoop::Begin(TimePoint now) {
  begin_ = now;
  timed_begin_ = now + plan_.warm_up;
  timed_end_ = timed_begin_ + plan_.duration;
  next_sweep_ = now + kReopen;
  if (plan_.slice > Duration(0)) {
    const auto count = (plan_.duration + plan_.slice - Duration(1)) / plan_.slice;
    tally_.slices = std::vector<Slice>(static_cast<std::size_t>(count));
  }
  OpenMore(plan_.connections, now, false);
}

bool LoadLoop::IsDue(TimePoint now) const {
  return next_arrival_ < plan_.arrivals->size() && Due(next_arrival_) <= now;
}

Duration LoadLoop::timed(TimePoint now) const {
  return std::clamp(now - timed_begin_, Duration(0), timed_end_ - timed_begin_);
}

TimePoint LoadLoop::NextTick() const {
  TimePoint next = next_sweep_;
  // Where none is free the next answer sends what is due, not the time.
  if (open_loop() && !free_.empty() && next_arrival_ < plan_.arrivals->size()) {
    next = std::min(next, Due(next_arrival_));
  }
  return next;
}

void LoadLoop::Open(std::size_t connection, TimePoint now) {
  Connection& c = connections_[connection];
  c.state = State::kOpening;
  c.since = now;
  ++opening_;
  wire_.Open(connection);
}

void LoadLoop::OpenMore(std::size_t count, TimePoint now, bool burst) {
  for (std::size_t i = 0; i < count; ++i) {
    connections_.push_back({.burst = burst});
    Open(connections_.size() - 1, now);
  }
}

void LoadLoop::Tick(TimePoint now) {
  if (done_) return;
  if (plan_.burst > 0 && !burst_done_ && now >= timed_begin_ + plan_.duration / 2) {
    burst_done_ = true;
    tally_.burst_attempted += plan_.burst;
    OpenMore(plan_.burst, now, true);
  }
  if (open_loop()) SendDue(now);
  if (now >= next_sweep_) Sweep(now);
  FinishIfDone(now);
}

void LoadLoop::FailExpired(TimePoint now) {
  while (IsDue(now) && now - Due(next_arrival_) > plan_.deadline) {
    FailOldestDue(Failure::kUnsent, now);
  }
}

void LoadLoop::SendDue(TimePoint now) {
  FailExpired(now);
  while (IsDue(now)) {
    if (free_.empty()) return OpenForWaiting(now);
    const std::size_t connection = free_.Pop();
    if (connections_[connection].state == State::kFree) Use(connection, now);
  }
}

/// One connection for each request that is due and has none, as far as the limit allows.
void LoadLoop::OpenForWaiting(TimePoint now) {
  const std::size_t limit = plan_.max_connections + (burst_done_ ? plan_.burst : 0);
  const std::size_t room = limit - std::min(connections_.size(), limit);
  std::size_t waiting = 0;
  for (std::size_t i = next_arrival_; i < plan_.arrivals->size() && Due(i) <= now;
       i += plan_.stride) {
    if (++waiting >= opening_ + room) break;
  }
  if (waiting > opening_) OpenMore(std::min(waiting - opening_, room), now, false);
}

void LoadLoop::Use(std::size_t connection, TimePoint now) {
  Connection& c = connections_[connection];
  const bool was_free = c.state == State::kFree;
  if (!open_loop()) {
    if (now < timed_end_) return Send(connection, now, now);
    c.state = State::kFree;
    return;
  }
  FailExpired(now);
  if (!IsDue(now)) {
    c.state = State::kFree;
    free_.Push(connection);
    return;
  }
  const TimePoint due = Due(next_arrival_);
  if (Timed(due)) {
    // Late though a connection was free: that is the generator's own doing.
    if (was_free || !free_.empty()) {
      tally_.lag.Record(now - due);
    } else {
      ++tally_.waited;
    }
  }
  next_arrival_ += plan_.stride;
  Send(connection, due, now);
}

void LoadLoop::Send(std::size_t connection, TimePoint began, TimePoint now) {
  Connection& c = connections_[connection];
  c.state = State::kBusy;
  c.since = now;
  c.began = began;
  c.input = next_input_;
  if (++next_input_ >= plan_.inputs) next_input_ = 0;
  if (Timed(began)) ++under_way_;
  wire_.Send(connection, c.input);
}

void LoadLoop::OnOpened(std::size_t connection, TimePoint now) {
  Connection& c = connections_[connection];
  --opening_;
  if (c.burst) tally_.connect.Record(now - c.since);
  c.burst = false;
  Use(connection, now);
}

void LoadLoop::OnAnswer(std::size_t connection, int status, bool keep_alive, std::string_view body,
                        TimePoint now) {
  Connection& c = connections_[connection];
  tally_.answers.store(tally_.answers.load(std::memory_order_relaxed) + 1,
                       std::memory_order_relaxed);
  if (status == 200 && now >= timed_begin_ && now < timed_end_) ++tally_.in_time;
  if (Timed(c.began)) {
    --under_way_;
    CountAnswer(status, now - c.began, c.began);
    if (status == 200) Check(c.input, body);
  }
  if (keep_alive) {
    Use(connection, now);
  } else {
    wire_.Close(connection);
    Open(connection, now);
  }
}

void LoadLoop::CountAnswer(int status, Duration latency, TimePoint began) {
  ++tally_.status[static_cast<std::size_t>(std::clamp(status, 0, 599))];
  Slice* const slice = SliceOf(began);
  if (slice != nullptr) ++slice->requests;
  if (status == 503) tally_.refused.Record(latency);
  if (status == 504) tally_.expired.Record(latency);
  if (status != 200) return;
  const bool good = latency <= plan_.slo;
  tally_.latency.Record(latency);
  if (good) ++tally_.good;
  if (slice == nullptr) return;
  slice->latency.Record(latency);
  ++slice->ok;
  if (good) ++slice->good;
}

Slice* LoadLoop::SliceOf(TimePoint began) {
  if (tally_.slices.empty()) return nullptr;
  const auto index = static_cast<std::size_t>((began - timed_begin_) / plan_.slice);
  return &tally_.slices[std::min(index, tally_.slices.size() - 1)];
}

void LoadLoop::Check(std::size_t input, std::string_view body) {
  // A share drawn at random: every n-th would look at the same few inputs for ever.
  sample_ = sample_ * 6364136223846793005u + 1442695040888963407u;
  if (!plan_.check || static_cast<double>(sample_ >> 32) >= plan_.check_share * 0x1p32) return;
  ++tally_.checked;
  std::string difference = plan_.check(input, body);
  if (difference.empty()) return;
  ++tally_.wrong;
  if (tally_.first_wrong.empty()) tally_.first_wrong = std::move(difference);
}

void LoadLoop::Fail(TimePoint began, Failure failure) {
  if (!Timed(began)) return;
  ++tally_.failures[static_cast<std::size_t>(failure)];
  if (Slice* const slice = SliceOf(began)) ++slice->requests;
}

void LoadLoop::FailOldestDue(Failure failure, TimePoint now) {
  if (!IsDue(now)) return;
  Fail(Due(next_arrival_), failure);
  next_arrival_ += plan_.stride;
}

void LoadLoop::OnFailure(std::size_t connection, Failure failure, TimePoint now) {
  Connection& c = connections_[connection];
  const State before = std::exchange(c.state, State::kClosed);
  if (before == State::kBusy) {
    if (Timed(c.began)) --under_way_;
    Fail(c.began, failure);
  } else if (before == State::kFree) {
    ++tally_.reopened;
  } else if (before == State::kOpening) {
    --opening_;
    if (c.burst) {
      ++tally_.burst_failed;
      c.burst = false;
    } else if (open_loop()) {
      // The request it was opened for, unless another connection has taken that.
      FailOldestDue(failure, now);
    } else {
      Fail(c.since, failure);
    }
  }
}

void LoadLoop::Sweep(TimePoint now) {
  next_sweep_ = now + kReopen;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Connection& c = connections_[i];
    const bool awaited = c.state == State::kOpening || c.state == State::kBusy;
    if (awaited && now - c.since >= plan_.give_up) {
      wire_.Close(i);
      OnFailure(i, Failure::kTimeout, now);
    } else if (c.state == State::kClosed && now < timed_end_ + plan_.give_up) {
      Open(i, now);
    }
  }
}

void LoadLoop::FinishIfDone(TimePoint now) {
  if (done_ || now < timed_end_) return;
  const bool all_sent = !open_loop() || next_arrival_ >= plan_.arrivals->size();
  if (all_sent && under_way_ == 0) {
    done_ = true;
    return;
  }
  if (now < timed_end_ + plan_.give_up) return;
  for (const Connection& c : connections_) {
    if (c.state == State::kBusy) Fail(c.began, Failure::kTimeout);
  }
  if (open_loop()) {
    for (; next_arrival_ < plan_.arrivals->size(); next_arrival_ += plan_.stride) {
      Fail(Due(next_arrival_), Failure::kUnsent);
    }
  }
  done_ = true;
}

void LoadLoop::Interrupt(TimePoint now) {
  timed_end_ = std::clamp(now, timed_begin_, timed_end_);
  done_ = true;
}

}  // namespace muster::bench
