#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "muster/base/clock.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/pending.h"
#include "muster/batching/policy.h"
#include "muster/tensor/tensor.h"

// For tests of the queue and what is built on it.
namespace muster::batching {

inline constexpr base::TimePoint kStart{std::chrono::hours(1)};

inline base::TimePoint At(std::chrono::nanoseconds since_start) { return kStart + since_start; }

struct RequestOptions {
  std::int64_t rows = 1;
  int priority = 0;
  base::TimePoint deadline = base::kNever;
  bool deadline_is_explicit = true;
  std::string client = {};
  std::int64_t width = 1;  // another width is another shape signature
  base::CancelToken cancelled = {};
};

inline PendingPtr Request(RequestOptions options = {}) {
  WorkItem item;
  item.inputs = {tensor::Tensor::Allocate(tensor::DType::kFp32, {options.rows, options.width})};
  item.rows = options.rows;
  item.priority = options.priority;
  item.deadline = options.deadline;
  item.deadline_is_explicit = options.deadline_is_explicit;
  item.client = std::move(options.client);
  item.cancelled = std::move(options.cancelled);
  return std::make_shared<Pending>(std::move(item));
}

inline std::unique_ptr<Policy> Adaptive(std::int64_t max_rows) {
  return MakePolicy({.kind = PolicyKind::kAdaptive, .max_batch_size = max_rows});
}
inline std::unique_ptr<Policy> Window(std::int64_t max_rows, std::chrono::microseconds wait) {
  return MakePolicy({.kind = PolicyKind::kWindow, .max_batch_size = max_rows, .max_wait = wait});
}
inline std::unique_ptr<Policy> None(std::int64_t max_rows) {
  return MakePolicy({.kind = PolicyKind::kNone, .max_batch_size = max_rows});
}

/// The requests of a batch, in order.
inline std::vector<const Pending*> RequestsOf(const FormedBatch& batch) {
  std::vector<const Pending*> requests;
  for (const Slice& slice : batch.slices) requests.push_back(slice.pending.get());
  return requests;
}

}  // namespace muster::batching
