#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::server::codec::internal {

/// Finds the place of a name among a model's inputs or features, and notes which came. Rows name
/// them in the same order as a rule, so that the next one is tried first.
class NameIndex {
 public:
  void Add(std::string_view name) {
    sorted_.emplace_back(name, names_.size());
    names_.push_back(name);
    seen_in_.push_back(0);
  }
  void Seal() { std::sort(sorted_.begin(), sorted_.end()); }

  /// Place of `name`, or -1.
  std::ptrdiff_t Find(std::string_view name) {
    if (next_ < names_.size() && names_[next_] == name) return static_cast<std::ptrdiff_t>(next_++);
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                                     [](const auto& a, std::string_view b) { return a.first < b; });
    if (at == sorted_.end() || at->first != name) return -1;
    next_ = at->second + 1;
    return static_cast<std::ptrdiff_t>(at->second);
  }
  /// Starts a row: nothing has been seen in it.
  void BeginRow() {
    ++row_;
    next_ = 0;
    seen_ = 0;
  }
  /// False where this row has had it already.
  bool See(std::size_t place) {
    if (seen_in_[place] == row_) return false;
    seen_in_[place] = row_;
    ++seen_;
    return true;
  }
  bool complete() const { return seen_ == names_.size(); }
  /// The first that has not been seen; only while not complete.
  std::string_view FirstMissing() const {
    const auto at = std::find_if(seen_in_.begin(), seen_in_.end(),
                                 [this](std::uint64_t seen) { return seen != row_; });
    return names_[static_cast<std::size_t>(at - seen_in_.begin())];
  }
  const std::vector<std::string_view>& names() const { return names_; }

 private:
  std::vector<std::string_view> names_;
  std::vector<std::pair<std::string_view, std::size_t>> sorted_;
  std::vector<std::uint64_t> seen_in_;  // the row each was last seen in
  std::uint64_t row_ = 0;
  std::size_t next_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace muster::server::codec::internal
