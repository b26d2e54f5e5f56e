#pragma once

#include "muster/base/mutex.h"

namespace muster::base {

/// Counts work in progress and lets a shutdown wait for it: close, then drain. Thread-safe.
///
///   if (!gate.Enter()) return Unavailable("draining");   // work begins
///   ...
///   gate.Leave();                                         // work is over
///   gate.Close(); gate.AwaitEmpty();                      // shutdown
class Gate {
 public:
  /// False once closed.
  [[nodiscard]] bool Enter();
  void Leave();
  void Close();
  bool closed() const;
  int inside() const;
  /// Blocks until nothing is inside; only after Close.
  void AwaitEmpty();

 private:
  mutable Mutex mutex_;
  CondVar empty_;
  int inside_ MUSTER_GUARDED_BY(mutex_) = 0;
  bool closed_ MUSTER_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::base
