#include "muster/batching/internal/bisection.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace muster::batching {

Bisection::Bisection(int units)
    : depth_(static_cast<int>(std::bit_width(static_cast<unsigned>(std::max(units, 1) - 1)))) {
  Set all;
  all.units.resize(static_cast<std::size_t>(units));
  std::iota(all.units.begin(), all.units.end(), 0);
  if (units > 1) Split(all);
}

int Bisection::budget() const { return 2 * depth_ * std::min(bad_, 2); }

// The left half ends up on top, so that its outcome is known before the right half's turn.
void Bisection::Split(const Set& set) {
  const auto middle = set.units.begin() + static_cast<std::ptrdiff_t>(set.units.size() / 2);
  Set left, right;
  left.units.assign(set.units.begin(), middle);
  right.units.assign(middle, set.units.end());
  left.left = true;
  stack_.push_back(std::move(right));
  stack_.push_back(std::move(left));
}

void Bisection::SplitIntoUnits(const Set& set) {
  for (auto unit = set.units.rbegin(); unit != set.units.rend(); ++unit) {
    Set alone;
    alone.units = {*unit};
    stack_.push_back(std::move(alone));
  }
}

void Bisection::OnRun(bool succeeded) {
  Set* const sibling = running_.left && !stack_.empty() ? &stack_.back() : nullptr;
  if (succeeded) {
    if (sibling != nullptr && running_.intact) sibling->known_bad = true;
    return;
  }
  if (running_.sibling_failed) ++bad_;
  if (sibling != nullptr) sibling->sibling_failed = true;
  if (running_.units.size() > 1) Split(running_);
}

std::vector<int> Bisection::Rest() {
  std::vector<int> rest;
  for (const Set& set : stack_) rest.insert(rest.end(), set.units.begin(), set.units.end());
  stack_.clear();
  return rest;
}

}  // namespace muster::batching
