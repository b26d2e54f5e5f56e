#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/queue_test_support.h"

namespace muster::batching {

/// A second kind of single-row requests, of a lower priority, that arrives as Poisson beside.
struct LowClass {
  double load = 0;             ///< as Scenario's; 0: there is none
  base::Duration deadline{0};  ///< of each, from its arrival; 0: none
  base::Duration from{0};      ///< when the first may arrive
};

/// A model with l(n) = row·n + fixed on some instances, and single-row requests with a deadline
/// that arrive at random: driven event by event on the real queue, without threads or waiting.
struct Scenario {
  base::Duration row{0};
  base::Duration fixed{0};
  int instances = 1;
  std::int64_t max_batch = 64;
  double load = 1;             ///< offered rows/s over what the instances can do
  double gap_cv = 1;           ///< of the gaps between arrivals: 1 is Poisson, 4 is bursty (gamma)
  double jitter = 0;           ///< run times vary uniformly by this share either way
  base::Duration deadline{0};  ///< of each request, from its arrival; 0: none
  base::Duration length = std::chrono::seconds(30);
  std::uint64_t seed = 1;
  /// Times of the machine's slowness: run times at t (since the start) are multiplied by this.
  std::function<double(base::Duration)> slowness = [](base::Duration) { return 1.0; };
  /// Times of load: the rate at t is multiplied by this.
  std::function<double(base::Duration)> surge = [](base::Duration) { return 1.0; };
  LowClass low;
  QueueOptions queue{.max_rows = 1 << 30, .max_bytes = std::size_t{1} << 60};
  std::unique_ptr<Policy> (*policy)(std::int64_t max_rows) = Adaptive;

  /// Rows/s that the instances can do in the largest batches.
  double Capacity() const {
    const auto nanos = static_cast<double>(row.count()) * static_cast<double>(max_batch) +
                       static_cast<double>(fixed.count());
    return instances * static_cast<double>(max_batch) / nanos * 1e9;
  }
};

/// Without those of LowClass, but for runs.
struct SimulationResult {
  std::int64_t offered = 0, on_time = 0, late = 0, refused = 0, given_up = 0, runs = 0;
  /// By the second of arrival.
  std::vector<std::int64_t> offered_in, on_time_in;
  std::int64_t low_offered = 0, low_on_time = 0;
  double capacity_rows = 0;
  double latency_seconds = 0;  ///< mean of those answered

  double OfCapacity() const { return static_cast<double>(on_time) / capacity_rows; }
  double OfOffered() const { return static_cast<double>(on_time) / static_cast<double>(offered); }
};

class Simulation {
 public:
  explicit Simulation(const Scenario& scenario)
      : scenario_(scenario),
        random_(scenario.seed),
        low_random_(scenario.seed + 1'000),
        queue_(Options(), Policies()) {
    const double shape = 1 / (scenario.gap_cv * scenario.gap_cv);
    gap_ = std::gamma_distribution<double>(shape, 1 / shape);
  }

  SimulationResult Run() {
    const auto seconds = static_cast<std::size_t>(scenario_.length / std::chrono::seconds(1)) + 1;
    result_.offered_in.resize(seconds);
    result_.on_time_in.resize(seconds);
    result_.capacity_rows =
        scenario_.Capacity() * std::chrono::duration<double>(scenario_.length).count();
    base::TimePoint next = NextArrival(kStart),
                    next_low = NextLowArrival(kStart + scenario_.low.from);
    const base::TimePoint end = kStart + scenario_.length;
    for (;;) {
      const base::TimePoint arrival = std::min(next, next_low);
      if (arrival >= end && runs_.empty()) break;
      if (arrival < end && (runs_.empty() || arrival <= runs_.top().end)) {
        const bool low = next_low < next;
        low ? ArriveLow(arrival) : Arrive(arrival);
        Launch(arrival);
        (low ? next_low : next) = low ? NextLowArrival(arrival) : NextArrival(arrival);
      } else {
        const base::TimePoint now = runs_.top().end;
        Finish();
        Launch(now);
      }
    }
    Collect(end);
    return result_;
  }

 private:
  struct Running {
    base::TimePoint end;
    std::shared_ptr<FormedBatch> batch;
    bool operator<(const Running& other) const { return end > other.end; }
  };

  QueueOptions Options() const {
    QueueOptions options = scenario_.queue;
    options.instances = scenario_.instances;
    options.max_run_rows = scenario_.max_batch;
    return options;
  }
  std::unique_ptr<Policy> Policies() const { return scenario_.policy(scenario_.max_batch); }

  base::TimePoint NextArrival(base::TimePoint last) {
    const double rate = scenario_.Capacity() * scenario_.load * scenario_.surge(last - kStart);
    return last + base::Duration(static_cast<std::int64_t>(gap_(random_) / rate * 1e9) + 1);
  }

  base::TimePoint NextLowArrival(base::TimePoint last) {
    if (scenario_.low.load == 0) return base::kNever;
    std::exponential_distribution<double> gap(scenario_.Capacity() * scenario_.low.load);
    return last + base::Duration(static_cast<std::int64_t>(gap(low_random_) * 1e9) + 1);
  }

  std::size_t Second(base::TimePoint time) const {
    return static_cast<std::size_t>((time - kStart) / std::chrono::seconds(1));
  }

  void Arrive(base::TimePoint now) {
    ++result_.offered;
    ++result_.offered_in[Second(now)];
    if (!Push(now, scenario_.deadline, 0)) ++result_.refused;
    Collect(now);
  }

  void ArriveLow(base::TimePoint now) {
    ++result_.low_offered;
    (void)Push(now, scenario_.low.deadline, kLow);
    Collect(now);
  }

  bool Push(base::TimePoint now, base::Duration deadline, int priority) {
    WorkItem item;
    item.inputs = inputs_;
    item.rows = 1;
    if (deadline > base::Duration(0)) item.deadline = now + deadline;
    item.deadline_is_explicit = true;
    item.priority = priority;
    return queue_.Push(std::make_shared<Pending>(std::move(item)), now).has_value();
  }

  void Launch(base::TimePoint now) {
    while (runs_.size() < static_cast<std::size_t>(scenario_.instances)) {
      auto batch = std::make_shared<FormedBatch>(queue_.PopReady(now, nullptr));
      Collect(now);
      if (!*batch) return;
      runs_.push({now + RunTime(batch->rows, now), std::move(batch)});
      ++result_.runs;
    }
  }

  base::Duration RunTime(std::int64_t rows, base::TimePoint now) {
    std::uniform_real_distribution<double> vary(1 - scenario_.jitter, 1 + scenario_.jitter);
    const auto nanos = static_cast<double>((scenario_.row * rows + scenario_.fixed).count());
    return base::Duration(
        static_cast<std::int64_t>(nanos * vary(random_) * scenario_.slowness(now - kStart)));
  }

  void Finish() {
    const Running run = runs_.top();
    runs_.pop();
    for (const Slice& slice : run.batch->slices) {
      const Pending& pending = *slice.pending;
      const bool on_time = run.end <= pending.item.deadline;
      if (pending.item.priority == kLow) {
        result_.low_on_time += on_time ? 1 : 0;
        continue;
      }
      ++(on_time ? result_.on_time : result_.late);
      if (on_time) ++result_.on_time_in[Second(pending.arrival)];
    }
    queue_.EndRun(run.batch->number, run.end - run.batch->formed, run.end);
  }

  void Collect(base::TimePoint now) {
    if (queue_.NextDeadline() > now) return;
    for (const PendingPtr& dead : queue_.RemoveDead(now)) {
      result_.given_up += dead->item.priority == kLow ? 0 : 1;
    }
  }

  static constexpr int kLow = -1;

  const Scenario scenario_;
  std::mt19937_64 random_;
  std::mt19937_64 low_random_;  // of its own: the others arrive as they would without them
  std::gamma_distribution<double> gap_;
  BatchQueue queue_;
  std::priority_queue<Running> runs_;
  const tensor::TensorList inputs_ = {tensor::Tensor::Allocate(tensor::DType::kFp32, {1, 1})};
  SimulationResult result_;
};

}  // namespace muster::batching
