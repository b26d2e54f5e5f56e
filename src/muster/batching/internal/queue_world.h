#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "muster/batching/internal/queue_checker.h"
#include "muster/batching/internal/queue_test_support.h"

namespace muster::batching {

/// The same numbers everywhere, unlike the standard's distributions; cheap to seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u) {}
  std::uint64_t Next() {  // splitmix64 (Vigna)
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, n).
  std::int64_t Pick(std::int64_t n) {
    return static_cast<std::int64_t>(Next() % static_cast<std::uint64_t>(n));
  }
  bool Percent(int percent) { return Pick(100) < percent; }
  template <class T>
  T Of(std::initializer_list<T> some) {
    return some.begin()[Pick(static_cast<std::int64_t>(some.size()))];
  }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  /// About `mean`, exponentially distributed.
  base::Duration About(base::Duration mean) {
    const double nanos = -std::log1p(-Uniform()) * static_cast<double>(mean.count());
    return base::Duration(static_cast<std::int64_t>(nanos));
  }

 private:
  std::uint64_t state_;
};

/// What one seed makes of a model, its server and its clients.
struct WorldPlan {
  explicit WorldPlan(Dice& dice);

  PolicyOptions policy;
  QueueOptions queue;
  base::Duration fixed{0}, row{0};  // of a run
  base::Duration gap{0};            // between requests
  int events = 0;
  std::int64_t widths = 3;
  int deadlines = 0, explicit_deadlines = 0, cancellable = 0, failures = 0;  // percent
  base::Duration patience{0};                                                // about a deadline

  base::Duration RunTime(std::int64_t rows) const { return fixed + row * rows; }
};

/// Some hundred random events around a queue on fake time, up to the first violation: requests,
/// runs on as many instances as there are, failures, cancels, clock jumps; in the end it drains.
/// Only what the queue says itself (wake, NextDeadline) makes it look again.
class QueueWorld {
 public:
  QueueWorld(std::uint64_t seed, const MakeQueue& make)
      : dice_(seed),
        plan_(dice_),
        queue_(make(plan_.queue, plan_.policy)),
        checker_(*queue_, plan_.queue, plan_.policy) {}

  /// Keeps the last events for log().
  void Record() { recording_ = true; }
  std::optional<std::string> Run();
  std::string log() const;
  const QueueChecker::Tally& tally() const { return checker_.tally(); }

 private:
  struct Running {
    FormedBatch batch;
    base::TimePoint end;
  };

  bool ok() const { return !checker_.violation(); }
  base::TimePoint Now();
  void Note(const char* what, std::int64_t number);
  void Event();
  void PassTime(base::Duration time);
  base::TimePoint NextOccurrence() const;
  void Occur();
  void Arrive();
  void Cancel();
  void Isolate();
  void Launch();
  base::Duration RunTime(std::int64_t rows);
  void Finish(std::size_t run);
  void Fail(const FormedBatch& batch);
  void DrainAll();

  Dice dice_;
  const WorldPlan plan_;
  const std::unique_ptr<QueueUnderTest> queue_;
  QueueChecker checker_;
  base::TimePoint now_ = kStart;
  base::TimePoint slow_until_ = kStart;
  base::TimePoint wake_ = base::kNever;
  std::vector<Running> running_;
  std::vector<std::pair<PendingPtr, base::CancelSource>> cancellable_;
  std::vector<PendingPtr> all_;
  bool recording_ = false;
  std::deque<std::string> log_;
};

/// Runs a world; a violation is returned with the last events and how to see them again.
std::optional<std::string> ViolationOf(std::uint64_t seed, const MakeQueue& make);

}  // namespace muster::batching
