#include "muster/base/gate.h"

#include "muster/base/result.h"

namespace muster::base {

bool Gate::Enter() {
  MutexLock lock(mutex_);
  if (closed_) return false;
  ++inside_;
  return true;
}

void Gate::Leave() {
  MutexLock lock(mutex_);
  MUSTER_CHECK(inside_ > 0, "Gate::Leave without Enter");
  --inside_;
  // Under the lock: whoever awaits the empty gate may destroy it as soon as it can look.
  if (inside_ == 0) empty_.notify_all();
}

void Gate::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

bool Gate::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

int Gate::inside() const {
  MutexLock lock(mutex_);
  return inside_;
}

void Gate::AwaitEmpty() {
  MutexLock lock(mutex_);
  MUSTER_CHECK(closed_, "Gate::AwaitEmpty before Close");
  while (inside_ > 0) Wait(mutex_, empty_);
}

}  // namespace muster::base
