#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "muster/base/mutex.h"
#include "muster/batching/device.h"

namespace muster::batching {

/// A device with slots for everyone that records what it is charged. Closed, it makes everyone who
/// asks wait, so that a test can arrange what happens meanwhile. Thread-safe.
class FakeDevice : public Device {
 public:
  FlowId AddFlow(const std::string& name, double weight) override;
  void RemoveFlow(FlowId flow) override;
  bool TryAcquire(FlowId flow) override;
  void Acquire(FlowId flow) override;
  void Release(FlowId flow, base::Duration used) override;
  void Renew(FlowId flow, base::Duration used) override;
  int slots() const override { return std::numeric_limits<int>::max(); }

  void Close();
  void Open();
  /// Blocks until `n` callers wait for it to open.
  void AwaitWaiting(int n);
  /// Blocks until no slot is held.
  void AwaitIdle();
  /// Blocks until `n` charges were made.
  void AwaitCharges(std::size_t n);
  /// What was charged, in order.
  std::vector<base::Duration> charges() const;
  int held() const;

 private:
  void Enter() MUSTER_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ MUSTER_GUARDED_BY(mutex_) = false;
  int waiting_ MUSTER_GUARDED_BY(mutex_) = 0;
  int held_ MUSTER_GUARDED_BY(mutex_) = 0;
  FlowId flows_ MUSTER_GUARDED_BY(mutex_) = 0;
  std::vector<base::Duration> charges_ MUSTER_GUARDED_BY(mutex_);
};

}  // namespace muster::batching
