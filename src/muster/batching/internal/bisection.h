#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace muster::batching {

/// Which units (rows or whole requests) of a failed run to run again together, until the bad ones
/// fail alone. Pure. A half whose sibling succeeded is known to be bad without a run of its own.
///
/// Halving goes on for 2·⌈log2 n⌉·min(bad, 2) extra runs, `bad` being how many units are known to
/// be bad: found alone, or in disjoint sets that failed; at least 1. One or two bad units are thus
/// always found by it. With more, halves keep failing, and the units left are run one by one: each
/// gets what it would have got by itself, and a run full of bad units costs no more than those
/// units sent alone.
///
///   Bisection bisection(units);                       // all of them together have failed
///   while (!(next = bisection.Next(alive)).empty()) bisection.OnRun(Run(next));
class Bisection {
 public:
  explicit Bisection(int units);

  /// The next units to run, or none: all are settled. Units for which `keep(unit)` is false are
  /// left out, now and for good.
  template <class Keep>
  std::vector<int> Next(Keep&& keep);
  /// What came of the run of Next's units. A single unit that failed is bad.
  void OnRun(bool succeeded);
  /// Units not settled yet; ends the bisection.
  std::vector<int> Rest();

  int runs() const { return runs_; }
  int budget() const;

 private:
  struct Set {
    std::vector<int> units;
    bool left = false;            // its sibling is right below it on the stack
    bool intact = true;           // no unit was left out
    bool known_bad = false;       // cannot succeed, as the other half did
    bool sibling_failed = false;  // another bad unit is elsewhere
  };
  void Split(const Set& set);
  void SplitIntoUnits(const Set& set);
  template <class Keep>
  static void Filter(Set& set, Keep&& keep);

  const int depth_;  // ⌈log2 n⌉
  int bad_ = 1;
  int runs_ = 0;
  std::vector<Set> stack_;
  Set running_;
};

template <class Keep>
void Bisection::Filter(Set& set, Keep&& keep) {
  const std::size_t left_out = std::erase_if(set.units, [&keep](int unit) { return !keep(unit); });
  if (left_out > 0) set.intact = set.known_bad = false;
}

template <class Keep>
std::vector<int> Bisection::Next(Keep&& keep) {
  while (!stack_.empty()) {
    Set set = std::move(stack_.back());
    stack_.pop_back();
    Filter(set, keep);
    if (set.units.empty()) continue;
    if (set.known_bad && set.units.size() > 1) {
      Split(set);
      continue;
    }
    if (runs_ >= budget() && set.units.size() > 1) {
      SplitIntoUnits(set);
      continue;
    }
    ++runs_;
    running_ = std::move(set);
    return running_.units;
  }
  return {};
}

}  // namespace muster::batching
