#pragma once

#include <deque>
#include <memory>
#include <thread>

#include "muster/base/mutex.h"
#include "muster/registry/model_lease.h"

namespace muster::registry {

/// The thread on which versions are destroyed. Destroying one drains its batcher and may block.
///
///   ModelLease lease = reaper.Lease(std::make_unique<Live>(...));
///   lease.reset();            // destroyed on the reaper's thread
class Reaper {
 public:
  Reaper();
  /// Destroys what is left, then joins. Leases that are still held must not outlive the reaper.
  ~Reaper();
  ModelLease Lease(std::unique_ptr<ServedVersion> version);

 private:
  void Run();

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::unique_ptr<ServedVersion>> dead_ MUSTER_GUARDED_BY(mutex_);
  bool stopping_ MUSTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace muster::registry
