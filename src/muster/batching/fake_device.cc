#include "muster/batching/fake_device.h"

#include "muster/base/result.h"

namespace muster::batching {

Device::FlowId FakeDevice::AddFlow(const std::string&, double) {
  base::MutexLock lock(mutex_);
  return flows_++;
}

void FakeDevice::RemoveFlow(FlowId) {}

void FakeDevice::Enter() {
  ++waiting_;
  changed_.notify_all();
  while (closed_) base::Wait(mutex_, changed_);
  --waiting_;
  ++held_;
}

bool FakeDevice::TryAcquire(FlowId) {
  base::MutexLock lock(mutex_);
  if (closed_) return false;
  ++held_;
  return true;
}

void FakeDevice::Acquire(FlowId) {
  base::MutexLock lock(mutex_);
  Enter();
}

void FakeDevice::Release(FlowId, base::Duration used) {
  base::MutexLock lock(mutex_);
  MUSTER_CHECK(held_ > 0, "a slot is given back that was not taken");
  --held_;
  charges_.push_back(used);
  changed_.notify_all();
}

void FakeDevice::Renew(FlowId, base::Duration used) {
  base::MutexLock lock(mutex_);
  MUSTER_CHECK(held_ > 0, "a slot is given back that was not taken");
  --held_;
  charges_.push_back(used);
  Enter();
}

void FakeDevice::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
}

void FakeDevice::Open() {
  base::MutexLock lock(mutex_);
  closed_ = false;
  changed_.notify_all();
}

void FakeDevice::AwaitWaiting(int n) {
  base::MutexLock lock(mutex_);
  while (waiting_ < n) base::Wait(mutex_, changed_);
}

void FakeDevice::AwaitIdle() {
  base::MutexLock lock(mutex_);
  while (held_ > 0) base::Wait(mutex_, changed_);
}

void FakeDevice::AwaitCharges(std::size_t n) {
  base::MutexLock lock(mutex_);
  while (charges_.size() < n) base::Wait(mutex_, changed_);
}

std::vector<base::Duration> FakeDevice::charges() const {
  base::MutexLock lock(mutex_);
  return charges_;
}

int FakeDevice::held() const {
  base::MutexLock lock(mutex_);
  return held_;
}

}  // namespace muster::batching
