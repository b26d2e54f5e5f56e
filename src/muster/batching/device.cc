#include "muster/batching/device.h"

#include <deque>
#include <vector>

#include "muster/base/mutex.h"
#include "muster/base/result.h"
#include "muster/batching/internal/deficit_round_robin.h"

namespace muster::batching {
namespace {

/// Slots are handed to waiters at the moment they become free, so a free slot means that nobody
/// waits; that is all TryAcquire needs to know.
class FairDevice final : public Device {
 public:
  FairDevice(int slots, base::Duration quantum) : slots_(slots), free_(slots), order_(quantum) {}

  FlowId AddFlow(const std::string&, double weight) override {
    base::MutexLock lock(mutex_);
    const FlowId flow = order_.Add(weight);
    if (waiters_.size() <= flow) waiters_.resize(flow + 1);
    return flow;
  }

  void RemoveFlow(FlowId flow) override {
    base::MutexLock lock(mutex_);
    order_.Remove(flow);
  }

  bool TryAcquire(FlowId flow) override {
    base::MutexLock lock(mutex_);
    return TakeFree(flow);
  }

  void Acquire(FlowId flow) override {
    base::MutexLock lock(mutex_);
    if (!TakeFree(flow)) Await(flow);
  }

  void Release(FlowId flow, base::Duration used) override {
    base::MutexLock lock(mutex_);
    order_.Charge(flow, used);
    ++free_;
    HandOut();
    if (free_ == slots_) order_.Forget();
  }

  void Renew(FlowId flow, base::Duration used) override {
    base::MutexLock lock(mutex_);
    order_.Charge(flow, used);
    ++free_;
    if (!TakeFree(flow)) Await(flow);
  }

  int slots() const override { return slots_; }

 private:
  struct Waiter {
    base::CondVar granted_changed;
    bool granted = false;
  };

  bool TakeFree(FlowId flow) MUSTER_REQUIRES(mutex_) {
    if (free_ == 0 || !order_.idle()) return false;
    order_.Enqueue(flow);
    order_.Grant();
    --free_;
    return true;
  }

  void Await(FlowId flow) MUSTER_REQUIRES(mutex_) {
    Waiter self;
    waiters_[flow].push_back(&self);
    order_.Enqueue(flow);
    HandOut();
    while (!self.granted) base::Wait(mutex_, self.granted_changed);
  }

  void HandOut() MUSTER_REQUIRES(mutex_) {
    while (free_ > 0 && !order_.idle()) {
      const FlowId flow = *order_.Grant();
      Waiter* const next = waiters_[flow].front();
      waiters_[flow].pop_front();
      --free_;
      next->granted = true;
      next->granted_changed.notify_one();  // under the lock: once it is free, `next` may be gone
    }
  }

  const int slots_;
  base::Mutex mutex_;
  int free_ MUSTER_GUARDED_BY(mutex_);
  DeficitRoundRobin order_ MUSTER_GUARDED_BY(mutex_);
  std::vector<std::deque<Waiter*>> waiters_ MUSTER_GUARDED_BY(mutex_);  // by flow
};

}  // namespace

std::unique_ptr<Device> MakeFairDevice(int slots, base::Duration quantum) {
  MUSTER_CHECK(slots >= 1 && quantum > base::Duration::zero(), "a device needs slots and time");
  return std::make_unique<FairDevice>(slots, quantum);
}

}  // namespace muster::batching
