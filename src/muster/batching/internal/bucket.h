#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "muster/base/clock.h"
#include "muster/batching/internal/index_heap.h"
#include "muster/batching/internal/latency_curve.h"
#include "muster/batching/internal/pending.h"
#include "muster/tensor/tensor.h"

namespace muster::batching {

/// Which request is next: higher priority, then earlier explicit deadline, then earlier arrival.
struct OrderKey {
  std::int64_t negated_priority;
  base::TimePoint deadline;
  std::uint64_t sequence;
  auto operator<=>(const OrderKey&) const = default;
};
OrderKey OrderOf(const Pending& pending);
/// kNever where only the server's default limits it.
base::TimePoint ExplicitDeadline(const Pending& pending);

/// Requests whose rows may share a run: equal row shapes and dtypes of all inputs, and no isolated
/// client beside another.
struct Bucket {
  std::vector<std::int64_t> signature;  // per input: dtype, rank of a row, its extents
  std::string client;                   // whose bucket it is; empty: of all that are not isolated
  std::uint64_t hash = 0;

  IndexHeap<Pending, OrderKey, &Pending::order_place> order;
  Pending* oldest = nullptr;
  Pending* newest = nullptr;
  std::int64_t rows = 0;       // not yet taken
  std::int64_t deadlines = 0;  // requests with an explicit one
  OrderKey latest{};           // no waiting request's turn is later

  // Learned for this signature; shared with the runs under way, which may outlive the bucket.
  std::shared_ptr<LatencyCurve> curve = std::make_shared<LatencyCurve>();
  double row_nanos = 0;  // of an instance's time, in runs of the best size; 0: not known

  // Where the queue keeps it: in exactly one of the two while it has rows, else in neither.
  std::size_t ready_place = kNoPlace;
  std::size_t wake_place = kNoPlace;

  // While it is kept without rows: those that became empty before and after it.
  bool idle = false;
  Bucket* idle_older = nullptr;
  Bucket* idle_newer = nullptr;

  bool empty() const { return oldest == nullptr; }
  /// Untaken rows whose turn is before `key`: O(1) where that is all, else O(requests before it).
  std::int64_t RowsBefore(const OrderKey& key) const;
  /// Adds the untaken rows of a request that arrived last.
  void Append(Pending& pending);
  void Unlink(Pending& pending);
};

/// Finds and keeps buckets by what may share a run. Those that became empty last are kept for the
/// next request of their kind, with what they learned; not all, because clients choose shapes.
class BucketTable {
 public:
  /// For a request that is added to it.
  Bucket& FindOrAdd(std::span<const tensor::Tensor> inputs, std::string_view client);
  /// Null where there is none.
  Bucket* Find(std::span<const tensor::Tensor> inputs, std::string_view client);
  /// Null before any, and where that one is gone.
  Bucket* last_used() { return last_used_; }
  /// `bucket` has become empty; an empty one may be destroyed.
  void OnEmpty(Bucket& bucket);
  template <class F>
  void ForEach(F&& f) const {
    for (const auto& [hash, bucket] : buckets_) f(*bucket);
  }

 private:
  static constexpr std::size_t kKept = 16;
  void LinkIdle(Bucket& bucket);
  void UnlinkIdle(Bucket& bucket);
  void Erase(Bucket& bucket);

  std::unordered_multimap<std::uint64_t, std::unique_ptr<Bucket>> buckets_;
  Bucket* last_used_ = nullptr;
  Bucket* idle_oldest_ = nullptr;
  Bucket* idle_newest_ = nullptr;
  std::size_t idle_ = 0;
};

}  // namespace muster::batching
