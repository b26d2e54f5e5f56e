#include "muster/registry/reaper.h"

#include <utility>

namespace muster::registry {

Reaper::Reaper() : thread_([this] { Run(); }) {}

Reaper::~Reaper() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
}

ModelLease Reaper::Lease(std::unique_ptr<ServedVersion> version) {
  return ModelLease(version.release(), [this](ServedVersion* dead) {
    {
      base::MutexLock lock(mutex_);
      dead_.emplace_back(dead);
    }
    changed_.notify_one();
  });
}

void Reaper::Run() {
  base::MutexLock lock(mutex_);
  while (true) {
    while (dead_.empty() && !stopping_) base::Wait(mutex_, changed_);
    if (dead_.empty()) return;
    std::unique_ptr<ServedVersion> dead = std::move(dead_.front());
    dead_.pop_front();
    lock.Unlock();
    dead.reset();
    lock.Lock();
  }
}

}  // namespace muster::registry
