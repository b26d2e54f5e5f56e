#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/result.h"
#include "muster/batching/batch_queue.h"
#include "muster/batching/policy.h"

namespace muster::batching {

/// What can be seen of a BatchQueue, to be overridden by tests that put a fault into it.
class QueueUnderTest {
 public:
  QueueUnderTest(const QueueOptions& options, const PolicyOptions& policy)
      : queue_(options, MakePolicy(policy)) {}
  virtual ~QueueUnderTest() = default;

  virtual base::Status Push(const PendingPtr& pending, base::TimePoint now) {
    return queue_.Push(pending, now);
  }
  virtual FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) {
    return queue_.PopReady(now, wake);
  }
  virtual bool HasReady(base::TimePoint now, base::TimePoint* wake) {
    return queue_.HasReady(now, wake);
  }
  virtual std::vector<PendingPtr> RemoveDead(base::TimePoint now) { return queue_.RemoveDead(now); }
  virtual bool Remove(const PendingPtr& pending) { return queue_.Remove(pending); }
  virtual base::TimePoint NextDeadline() { return queue_.NextDeadline(); }
  virtual void Drain() { queue_.Drain(); }
  virtual void IsolateClient(const std::string& client, base::TimePoint now) {
    queue_.IsolateClient(client, now);
  }
  virtual void EndRun(std::uint64_t batch, std::optional<base::Duration> took,
                      base::TimePoint now) {
    queue_.EndRun(batch, took, now);
  }
  virtual std::int64_t waiting_rows() { return queue_.waiting_rows(); }
  virtual std::int64_t waiting_requests() { return queue_.waiting_requests(); }
  virtual std::size_t waiting_bytes() { return queue_.waiting_bytes(); }
  virtual base::TimePoint OldestArrival() { return queue_.OldestArrival(); }
  virtual std::vector<CurvePoint> Curve(base::TimePoint now) { return queue_.Curve(now); }
  virtual std::int64_t EfficientRows(base::TimePoint now) { return queue_.EfficientRows(now); }
  virtual double OfferedLoad(base::TimePoint now) { return queue_.OfferedLoad(now); }

 protected:
  BatchQueue queue_;
};

using MakeQueue = std::function<std::unique_ptr<QueueUnderTest>(const QueueOptions& options,
                                                                const PolicyOptions& policy)>;
template <class Queue>
std::unique_ptr<QueueUnderTest> Make(const QueueOptions& options, const PolicyOptions& policy) {
  return std::make_unique<Queue>(options, policy);
}

}  // namespace muster::batching
