#include "muster/batching/policy.h"

#include <algorithm>
#include <array>
#include <string>

#include "muster/base/text.h"

namespace muster::batching {
namespace {

constexpr std::array<std::string_view, 4> kKindNames = {"adaptive", "window", "aimd", "none"};

/// Work-conserving: whatever waits when an instance is free, at once, up to the size beyond which
/// a run gains nothing. Batches grow by themselves while runs are busy.
class AdaptivePolicy final : public Policy {
 public:
  explicit AdaptivePolicy(std::int64_t max_rows) : max_rows_(max_rows) {}

  Decision Decide(const BucketView& view) override {
    std::int64_t limit = std::min(view.efficient_rows, max_rows_);
    if (view.waiting_rows > limit && runs_ % kRunsPerTrial == 0) {
      limit = std::min(2 * limit, max_rows_);
    }
    const std::int64_t rows = std::min(view.waiting_rows, limit);
    return {rows, base::kNever, Reason(rows, limit)};
  }
  void OnRun(std::int64_t, base::Duration) override { ++runs_; }

 private:
  // More than one in a hundred, so that the knee is found again when it moves up.
  static constexpr std::uint64_t kRunsPerTrial = 64;

  LaunchReason Reason(std::int64_t rows, std::int64_t limit) const {
    if (max_rows_ == 1) return LaunchReason::kSingle;
    if (rows == max_rows_) return LaunchReason::kFull;
    return rows == limit ? LaunchReason::kKnee : LaunchReason::kInstanceFree;
  }

  const std::int64_t max_rows_;
  std::uint64_t runs_ = 1;
};

/// Full, or `max_wait` since the oldest waiting row arrived: later arrivals never extend it.
class WindowPolicy final : public Policy {
 public:
  WindowPolicy(std::int64_t max_rows, base::Duration max_wait)
      : max_rows_(max_rows), max_wait_(max_wait) {}

  Decision Decide(const BucketView& view) override {
    if (view.waiting_rows >= max_rows_) {
      return {max_rows_, base::kNever,
              max_rows_ == 1 ? LaunchReason::kSingle : LaunchReason::kFull};
    }
    const base::TimePoint end = view.oldest_arrival + max_wait_;
    if (end <= view.now) return {view.waiting_rows, base::kNever, LaunchReason::kDelay};
    if (view.draining) return {view.waiting_rows, base::kNever, LaunchReason::kDrain};
    return {0, end, LaunchReason::kDelay};
  }

 private:
  const std::int64_t max_rows_;
  const base::Duration max_wait_;
};

/// As a window whose size follows the run time: smaller by a fifth after a run over 200 ms, larger
/// by a fifth after one under 50 ms, from 32 rows on.
class AimdPolicy final : public Policy {
 public:
  AimdPolicy(std::int64_t max_rows, base::Duration max_wait)
      : max_rows_(std::min(max_rows, kMaxRows)),
        max_wait_(max_wait),
        rows_(std::min(kStartRows, static_cast<double>(max_rows_))) {}

  Decision Decide(const BucketView& view) override {
    return WindowPolicy(static_cast<std::int64_t>(rows_), max_wait_).Decide(view);
  }
  void OnRun(std::int64_t, base::Duration duration) override {
    if (duration > kSlow) rows_ = std::max(rows_ * 0.8, 1.0);
    if (duration < kQuick) rows_ = std::min(rows_ * 1.2, static_cast<double>(max_rows_));
  }

 private:
  static constexpr std::int64_t kMaxRows = 512;
  static constexpr double kStartRows = 32;
  static constexpr base::Duration kSlow = std::chrono::milliseconds(200);
  static constexpr base::Duration kQuick = std::chrono::milliseconds(50);

  const std::int64_t max_rows_;
  const base::Duration max_wait_;
  double rows_;
};

/// One request, one run: the baseline.
class NonePolicy final : public Policy {
 public:
  explicit NonePolicy(std::int64_t max_rows) : max_rows_(max_rows) {}

  Decision Decide(const BucketView& view) override {
    return {std::min(view.head_rows, max_rows_), base::kNever, LaunchReason::kSingle,
            /*one_request=*/true};
  }

 private:
  const std::int64_t max_rows_;
};

}  // namespace

std::string_view PolicyKindName(PolicyKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

base::Result<PolicyKind> ParsePolicyKind(std::string_view name) {
  const auto found = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (found != kKindNames.end()) return static_cast<PolicyKind>(found - kKindNames.begin());
  std::string text = "unknown batching policy \"" + base::Printable(name) +
                     "\": expected adaptive, window, aimd or none";
  const std::string_view near = base::NearestOf(name, kKindNames);
  if (!near.empty()) text += "; did you mean " + std::string(near) + "?";
  return base::InvalidArgument(std::move(text));
}

base::Status PolicyOptions::Validate() const {
  if (max_batch_size < 1) {
    return base::InvalidArgument("max_batch_size must be at least 1, not " +
                                 std::to_string(max_batch_size));
  }
  if (max_wait < std::chrono::microseconds::zero() || max_wait > std::chrono::hours(1)) {
    return base::InvalidArgument("max_wait must be between 0 and 1 h, not " +
                                 std::to_string(max_wait.count()) + " µs");
  }
  return {};
}

std::unique_ptr<Policy> MakePolicy(const PolicyOptions& options) {
  switch (options.kind) {
    case PolicyKind::kWindow:
      return std::make_unique<WindowPolicy>(options.max_batch_size, options.max_wait);
    case PolicyKind::kAimd: {
      constexpr std::chrono::microseconds kDefaultWait = std::chrono::milliseconds(100);
      const bool unset = options.max_wait == std::chrono::microseconds::zero();
      return std::make_unique<AimdPolicy>(options.max_batch_size,
                                          unset ? kDefaultWait : options.max_wait);
    }
    case PolicyKind::kNone:
      return std::make_unique<NonePolicy>(options.max_batch_size);
    case PolicyKind::kAdaptive:
      break;
  }
  return std::make_unique<AdaptivePolicy>(options.max_batch_size);
}

}  // namespace muster::batching
