#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/work.h"

namespace muster::batching {

enum class PolicyKind : std::uint8_t { kAdaptive, kWindow, kAimd, kNone };
std::string_view PolicyKindName(PolicyKind kind);
base::Result<PolicyKind> ParsePolicyKind(std::string_view name);

/// What a policy sees of the bucket whose head is next: a snapshot, no references.
struct BucketView {
  base::TimePoint now;
  std::int64_t waiting_rows = 0;    ///< of this bucket, ≥ 1
  std::int64_t head_rows = 0;       ///< not yet taken rows of the head's request
  std::int64_t efficient_rows = 0;  ///< more in one run would not raise rows per second; ≥ 1
  base::TimePoint oldest_arrival;   ///< of any row in the bucket
  bool draining = false;
};

/// Launch `rows` rows now (> 0), or wait until `wake` unless more rows arrive before.
struct Decision {
  std::int64_t rows = 0;
  base::TimePoint wake = base::kNever;
  LaunchReason reason = LaunchReason::kInstanceFree;
  bool one_request = false;  ///< no rows of others beside the first's
};

/// When to launch and how many rows, given that an instance is free. Pure: no clock, no threads;
/// called under the batcher's lock, so it must be quick. A decision to wait holds until its `wake`
/// or until the bucket changes, whichever comes first: the queue does not ask in between. Asked to
/// drain, a policy must not wait.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual Decision Decide(const BucketView& view) = 0;
  /// A run of `rows` rows took `duration`; for policies that learn.
  virtual void OnRun(std::int64_t rows, base::Duration duration) { (void)rows, (void)duration; }
};

struct PolicyOptions {
  PolicyKind kind = PolicyKind::kAdaptive;
  std::int64_t max_batch_size = 64;  ///< rows per run
  /// kWindow, kAimd: since the oldest waiting row arrived. kAimd takes 0 for its own 100 ms.
  std::chrono::microseconds max_wait{0};
  base::Status Validate() const;
};

std::unique_ptr<Policy> MakePolicy(const PolicyOptions& options);

}  // namespace muster::batching
