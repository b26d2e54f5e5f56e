#include "muster/batching/internal/turn_budget.h"

#include <algorithm>
#include <bit>

namespace muster::batching {
namespace {

constexpr std::size_t kKinds = 16;
// Old runs count half once there are as many.
constexpr int kFade = 256;

// Steps begin with the quarter octaves above 2^kFirst ns; what is shorter is the first.
constexpr int kFirst = 10;

struct ThisTurn {
  const base::Loop* loop = nullptr;
  std::uint64_t turn = 0;
  base::Duration spent{0};
};
thread_local ThisTurn this_turn;

ThisTurn& TurnOf(const base::Loop& loop) {
  if (this_turn.loop != &loop || this_turn.turn != loop.turn()) {
    this_turn = {.loop = &loop, .turn = loop.turn(), .spent = {}};
  }
  return this_turn;
}

}  // namespace

// --- Times

std::size_t TurnBudget::Times::StepOf(base::Duration time) {
  const auto nanos = static_cast<std::uint64_t>(std::max<base::Duration::rep>(time.count(), 0));
  const int octave = static_cast<int>(std::bit_width(nanos)) - 1;
  if (octave < kFirst) return 0;
  const std::uint64_t quarter = (nanos >> (octave - 2)) & 3;
  return std::min(static_cast<std::size_t>(octave - kFirst) * 4 + quarter + 1, kSteps - 1);
}

base::Duration TurnBudget::Times::EndOf(std::size_t step) {
  if (step == kSteps - 1) return base::Duration::max();
  return base::Duration((4 + static_cast<std::int64_t>(step % 4)) << (kFirst - 2 + step / 4));
}

void TurnBudget::Times::Add(base::Duration time) {
  ++counts_[StepOf(time)];
  if (++count_ == kFade) {
    count_ = 0;
    for (std::uint16_t& count : counts_) count_ += (count /= 2);
  }
  int longer = count_ / 100;
  std::size_t step = kSteps - 1;
  while (step > 0 && counts_[step] <= longer) longer -= counts_[step--];
  p99_ = EndOf(step);
}

// --- Kinds and sizes

std::size_t TurnBudget::SizeOf(std::int64_t rows) {
  const auto size = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(rows - 1)));
  return std::min(size, std::tuple_size_v<decltype(Kind::times)> - 1);
}

TurnBudget::Kind& TurnBudget::FindOrAdd(std::uint64_t id) {
  const auto found = std::ranges::find(kinds_, id, &Kind::id);
  if (found != kinds_.end()) return *found;
  if (kinds_.size() < kKinds) return kinds_.emplace_back(Kind{.id = id, .times = {}});
  Kind& oldest = *std::ranges::min_element(kinds_, {}, &Kind::used);
  for (const Times& times : oldest.times) fitting_ -= times.fits(kTurn) ? 1 : 0;
  return oldest = Kind{.id = id, .times = {}};
}

void TurnBudget::OnRun(std::uint64_t kind, std::int64_t rows, base::Duration time) {
  Kind& of_kind = FindOrAdd(kind);
  of_kind.used = ++runs_;
  Times& times = of_kind.times[SizeOf(rows)];
  fitting_ -= times.fits(kTurn) ? 1 : 0;
  times.Add(time);
  fitting_ += times.fits(kTurn) ? 1 : 0;
}

void TurnBudget::OnCallerRun(base::Duration time, base::TimePoint now) {
  if (time <= kTooLong) return;
  const bool again = ban_ > base::Duration::zero() && now - kBan < banned_until_;
  BanFor(again ? std::min(2 * ban_, kBan) : kFirstBan, now);
}

void TurnBudget::BanFor(base::Duration time, base::TimePoint now) {
  ban_ = time;
  banned_until_ = now + time;
}

bool TurnBudget::Fits(std::uint64_t kind, std::int64_t rows, base::Duration left,
                      base::TimePoint now) const {
  if (now < banned_until_) return false;
  const auto found = std::ranges::find(kinds_, kind, &Kind::id);
  if (found == kinds_.end()) return false;
  // A larger run takes no less, so its time will do.
  for (std::size_t size = SizeOf(rows); size < found->times.size(); ++size) {
    if (found->times[size].known()) return found->times[size].fits(left);
  }
  return false;
}

// --- Turns

base::Duration TurnTime::Left(const base::Loop& loop) {
  return TurnBudget::kTurn - TurnOf(loop).spent;
}

void TurnTime::Spend(const base::Loop& loop, base::Duration time) { TurnOf(loop).spent += time; }

}  // namespace muster::batching
