#include "muster/batching/internal/latency_curve.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "muster/base/result.h"

namespace muster::batching {
namespace {

constexpr float kWorthwhile = 0.97f;  // of the best: what is missing is noise
constexpr std::size_t kTrusted = 3;   // runs that make a bin's median worth more than a guess
// A size not seen lately costs at most so much more per row than a smaller one that was: what it
// once cost when the machine was slow is not believed for ever.
constexpr float kMostPerRow = 1.5f;
constexpr float kSeedCreep = 1.001f;       // per run: a machine that stays slow is believed at last
constexpr std::uint64_t kRunsPerLook = 3;  // at the knee
constexpr int kLooksToMove = 2;
// Derived values are this old at most: what is known does not change faster than that, and runs of
// a small model are over in microseconds.
constexpr auto kOldest = std::chrono::milliseconds(1);

// About a day: no run is believed to take longer, so that sums of times and deadlines do not
// overflow where a run that hung for hours is extended to a million rows.
constexpr float kLongest = 1e14f;

base::Duration Nanos(float nanos) {
  return base::Duration(static_cast<std::int64_t>(std::min(nanos, kLongest)));
}

}  // namespace

std::size_t LatencyCurve::BinOf(std::int64_t rows) {
  const auto width = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(rows) - 1));
  return std::min(width, kBins - 1);
}

void LatencyCurve::Add(std::int64_t rows, base::Duration took, base::TimePoint now) {
  MUSTER_CHECK(rows >= 1, "a run without rows");
  const std::size_t index = BinOf(rows);
  Bin& bin = bins_[index];
  bin.kept[bin.runs % kKept] = {static_cast<float>(rows),
                                static_cast<float>(std::max<std::int64_t>(took.count(), 1)), now};
  bin.last = now;
  bin.dirty = true;
  ++bin.runs;
  if (static_cast<int>(index) > largest_) {
    largest_ = static_cast<int>(index);
    refreshed_ = {};
  }
  ++added_;
  Refresh(now);
}

// --- The curve

void LatencyCurve::Refresh(base::TimePoint now) {
  MUSTER_CHECK(known(), "asked before any run");
  if (refreshed_ != base::TimePoint{} && now - refreshed_ < kOldest) return;
  refreshed_ = now_ = now;
  const auto bins = static_cast<std::size_t>(largest_) + 1;
  for (std::size_t i = 0; i < bins; ++i) {
    if (bins_[i].dirty) Summarize(i);
  }
  nodes_.clear();
  for (std::size_t i = 0; i < bins; ++i) {
    if (bins_[i].runs > 0) nodes_.push_back(NodeOf(i));
  }
  MakeMonotone();
}

// A bin's runs differ in size by up to a factor of two: each is taken to the mean size along the
// curve as known so far, so that their times can be compared. Of the runs kept, those of the last
// second count, and the last three in any case.
void LatencyCurve::Summarize(std::size_t index) {
  Bin& bin = bins_[index];
  const float before = bin.mean_rows;
  std::array<Run, kKept> runs{};
  bin.counted = 0;
  float sum = 0;
  for (; bin.counted < std::min<std::uint64_t>(bin.runs, kKept); ++bin.counted) {
    const Run& run = bin.kept[(bin.runs - 1 - bin.counted) % kKept];
    if (bin.counted >= kTrusted && now_ - run.end > kFresh) break;
    runs[bin.counted] = run;
    sum += run.rows;
  }
  bin.mean_rows = sum / static_cast<float>(bin.counted);
  const float slope = SlopeAt(index);
  const auto end = runs.begin() + static_cast<std::ptrdiff_t>(bin.counted);
  for (auto run = runs.begin(); run != end; ++run) {
    const float most = run->nanos / run->rows;  // a run without any fixed cost
    run->nanos += std::clamp(slope, 0.0f, most) * (bin.mean_rows - run->rows);
  }
  std::sort(runs.begin(), end, [](const Run& a, const Run& b) { return a.nanos < b.nanos; });
  bin.median = runs[(bin.counted - 1) / 2].nanos;
  bin.upper = (end - 1)->nanos;
  // The seed is at the mean size, too, which moves a little.
  const float moved = before == 0 ? 0 : bin.seed * kSeedCreep * bin.mean_rows / before;
  bin.seed = before == 0 ? runs[0].nanos : std::min(moved, runs[0].nanos);
  bin.dirty = false;
}

// Nanoseconds per row around a bin, from the nodes beside it.
float LatencyCurve::SlopeAt(std::size_t index) const {
  const Node *from = nullptr, *to = nullptr;
  for (const Node& node : nodes_) {
    if (node.bin < index) from = &node;
    if (node.bin == index && (from == nullptr || &node == &nodes_.back())) to = &node;
    if (node.bin > index && to == nullptr) to = &node;
  }
  if (from == nullptr || to == nullptr) return 0;
  return (to->typical - from->typical) / (to->rows - from->rows);
}

// A bin not seen lately: as at its best, times how much slower than at its best, and how unsteady,
// the nearest bin seen lately is.
LatencyCurve::Node LatencyCurve::NodeOf(std::size_t index) const {
  const Bin& bin = bins_[index];
  if (Fresh(bin)) return {index, bin.mean_rows, bin.median, bin.upper};
  const Bin* const fresh = NearestFresh(index);
  if (fresh == nullptr) return {index, bin.mean_rows, bin.seed, bin.seed};
  const float most = kMostPerRow * fresh->seed / fresh->mean_rows * bin.mean_rows;
  const bool larger = bin.mean_rows > fresh->mean_rows;
  const float factor = (larger ? std::min(bin.seed, most) : bin.seed) / fresh->seed;
  return {index, bin.mean_rows, factor * fresh->median, factor * fresh->upper};
}

const LatencyCurve::Bin* LatencyCurve::NearestFresh(std::size_t index) const {
  const auto known = [this](std::size_t i) { return bins_[i].runs > 0 && Fresh(bins_[i]); };
  for (std::size_t distance = 1; distance < kBins; ++distance) {
    if (distance <= index && known(index - distance)) return &bins_[index - distance];
    if (index + distance < kBins && known(index + distance)) return &bins_[index + distance];
  }
  return nullptr;
}

// Between contradicting nodes the one seen last is right, provided that it has seen enough: the
// others are clamped to it.
void LatencyCurve::MakeMonotone() {
  std::array<std::size_t, kBins> order;
  for (std::size_t i = 0; i < nodes_.size(); ++i) order[i] = i;
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(nodes_.size());
  std::sort(order.begin(), end, [this](std::size_t a, std::size_t b) {
    const Bin &left = bins_[nodes_[a].bin], &right = bins_[nodes_[b].bin];
    const bool sure = left.counted >= kTrusted, other = right.counted >= kTrusted;
    return sure != other ? sure : left.last > right.last;
  });
  std::array<bool, kBins> placed{};
  for (auto it = order.begin(); it != end; ++it) {
    for (float Node::* value : {&Node::typical, &Node::upper}) {
      float low = 0, high = std::numeric_limits<float>::max();
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!placed[i]) continue;
        if (i < *it) low = std::max(low, nodes_[i].*value);
        if (i > *it) high = std::min(high, nodes_[i].*value);
      }
      nodes_[*it].*value = std::clamp(nodes_[*it].*value, low, high);
    }
    placed[*it] = true;
  }
}

// Below the smallest size seen nothing is known but that it takes no longer. Above the largest the
// last two tell the slope; a single one is taken as a run without any fixed cost.
float LatencyCurve::At(double rows, float Node::* value) const {
  const Node& last = nodes_.back();
  if (rows >= static_cast<double>(last.rows)) {
    const auto beyond = static_cast<float>(rows - static_cast<double>(last.rows));
    if (nodes_.size() == 1) return last.*value + last.*value / last.rows * beyond;
    // What few exceed grows no slower than what is usual, or it would fall below it.
    const Node& before = nodes_[nodes_.size() - 2];
    const float rise = std::max(last.*value - before.*value, last.typical - before.typical);
    return last.*value + rise / (last.rows - before.rows) * beyond;
  }
  if (rows <= static_cast<double>(nodes_.front().rows)) return nodes_.front().*value;
  std::size_t right = 1;
  while (static_cast<double>(nodes_[right].rows) < rows) ++right;
  const Node &from = nodes_[right - 1], &to = nodes_[right];
  const float share = (static_cast<float>(rows) - from.rows) / (to.rows - from.rows);
  return from.*value + (to.*value - from.*value) * share;
}

base::Duration LatencyCurve::Typical(std::int64_t rows, base::TimePoint now) {
  Refresh(now);
  return Nanos(At(static_cast<double>(rows), &Node::typical));
}

base::Duration LatencyCurve::Upper(std::int64_t rows, base::TimePoint now) {
  Refresh(now);
  return Nanos(At(static_cast<double>(rows), &Node::upper));
}

base::Duration LatencyCurve::Lower(std::int64_t rows, base::TimePoint now) {
  const base::Duration typical = Typical(rows, now);
  return std::max(typical - (Upper(rows, now) - typical), typical / 2);
}

std::int64_t LatencyCurve::RowsWithin(base::Duration limit, std::int64_t max_rows,
                                      base::TimePoint now) {
  if (Typical(max_rows, now) <= limit) return max_rows;
  std::int64_t fits = 0, too_many = max_rows;
  while (too_many - fits > 1) {
    const std::int64_t middle = fits + (too_many - fits) / 2;
    (Typical(middle, now) <= limit ? fits : too_many) = middle;
  }
  return fits;
}

// --- The knee

std::int64_t LatencyCurve::EfficientRows(std::int64_t max_rows, base::TimePoint now) {
  if (added_ >= next_look_) {
    next_look_ = added_ + kRunsPerLook;
    Refresh(now);
    const std::int64_t seen = Knee();
    disagreements_ = seen == knee_ ? 0 : disagreements_ + 1;
    if (disagreements_ >= kLooksToMove) {
      knee_ = seen;
      disagreements_ = 0;
    }
  }
  return std::min(knee_, max_rows);
}

std::int64_t LatencyCurve::Knee() const {
  const auto rate = [](const Node& node) { return node.rows / node.typical; };
  float best = 0;
  const Node* last = nullptr;
  for (const Node& node : nodes_) {
    if (bins_[node.bin].counted < kTrusted) continue;
    best = std::max(best, rate(node));
    last = &node;
  }
  for (const Node& node : nodes_) {
    if (last == nullptr || &node == last) break;
    const bool trusted = bins_[node.bin].counted >= kTrusted;
    if (trusted && rate(node) >= best * kWorthwhile) return std::int64_t{1} << node.bin;
  }
  return kNoKnee;
}

std::vector<CurvePoint> LatencyCurve::Points(base::TimePoint now) {
  std::vector<CurvePoint> points;
  if (!known()) return points;
  Refresh(now);
  for (const Node& node : nodes_) {
    points.push_back({static_cast<double>(node.rows), Nanos(node.typical), Nanos(node.upper),
                      bins_[node.bin].runs});
  }
  return points;
}

}  // namespace muster::batching
