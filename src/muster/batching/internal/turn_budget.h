#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/loop.h"

namespace muster::batching {

/// Decides which runs of a model may be made on a loop's thread: those whose like have been seen to
/// be short enough for what is left of the turn. Learns from every run, wherever it was made: per
/// kind of rows (see Pending::kind) and power of two of rows the 99th percentile of the last few
/// hundred runs. Pure.
class TurnBudget {
 public:
  /// What the runs of all models may take of one turn of a loop.
  static constexpr base::Duration kTurn = std::chrono::microseconds(200);
  /// A run that computes for longer on a loop's thread sends the model to the executors: for
  /// kFirstBan, and twice as long, up to kBan, each time it happens again within kBan. (A virtual
  /// machine that stands still looks like such a run, too.)
  static constexpr base::Duration kTooLong = 5 * kTurn;
  static constexpr base::Duration kFirstBan = std::chrono::seconds(1);
  static constexpr base::Duration kBan = std::chrono::seconds(60);
  /// Runs of a kind and size that must have been seen; before, nothing is known.
  static constexpr int kEnough = 16;

  /// A run was made, on whatever thread.
  void OnRun(std::uint64_t kind, std::int64_t rows, base::Duration time);
  /// A run kept a loop's thread computing for `time`.
  void OnCallerRun(base::Duration time, base::TimePoint now);
  /// It was to be made on a loop's thread but was not over when the instance had started it.
  void Ban(base::TimePoint now) { BanFor(kBan, now); }

  /// Whether some run would fit into a whole turn: else there is no use in waiting for its end.
  bool Open(base::TimePoint now) const { return fitting_ > 0 && now >= banned_until_; }
  /// Whether a run of `rows` rows fits into `left`. What is not known does not.
  bool Fits(std::uint64_t kind, std::int64_t rows, base::Duration left, base::TimePoint now) const;

 private:
  /// Times of runs in steps of a quarter octave; old ones fade.
  class Times {
   public:
    void Add(base::Duration time);
    bool known() const { return count_ >= kEnough; }
    /// 99 % were shorter; valid if known.
    base::Duration p99() const { return p99_; }
    bool fits(base::Duration left) const { return known() && p99_ <= left; }

   private:
    static constexpr std::size_t kSteps = 44;
    static std::size_t StepOf(base::Duration time);
    static base::Duration EndOf(std::size_t step);
    std::array<std::uint16_t, kSteps> counts_{};
    int count_ = 0;
    base::Duration p99_{0};
  };
  struct Kind {
    std::uint64_t id = 0;
    std::uint64_t used = 0;       // when, in runs
    std::array<Times, 18> times;  // by bit width of rows - 1; the last takes all that is larger
  };
  void BanFor(base::Duration time, base::TimePoint now);
  static std::size_t SizeOf(std::int64_t rows);
  Kind& FindOrAdd(std::uint64_t id);

  std::vector<Kind> kinds_;  // the last used; clients choose shapes, so not all
  int fitting_ = 0;          // of all `times`, those that fit into a turn
  std::uint64_t runs_ = 0;
  base::Duration ban_{0};  // the last one
  base::TimePoint banned_until_ = base::TimePoint::min();
};

/// What runs on this thread have taken of the turn its loop is in. One loop to a thread.
struct TurnTime {
  static base::Duration Left(const base::Loop& loop);
  static void Spend(const base::Loop& loop, base::Duration time);
};

}  // namespace muster::batching
