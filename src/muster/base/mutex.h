#pragma once

#include <condition_variable>
#include <mutex>

// Clang's thread-safety analysis; nothing elsewhere.
#if defined(__clang__)
#define MUSTER_TSA(x) __attribute__((x))
#else
#define MUSTER_TSA(x)
#endif
#define MUSTER_GUARDED_BY(m) MUSTER_TSA(guarded_by(m))
#define MUSTER_REQUIRES(...) MUSTER_TSA(requires_capability(__VA_ARGS__))
#define MUSTER_EXCLUDES(...) MUSTER_TSA(locks_excluded(__VA_ARGS__))

namespace muster::base {

/// std::mutex that clang can check: members marked MUSTER_GUARDED_BY(mutex_) may be touched only
/// while it is held.
class MUSTER_TSA(capability("mutex")) Mutex {
 public:
  void lock() MUSTER_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() MUSTER_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() MUSTER_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

/// Holds a Mutex for a scope; Unlock and Lock in between, as a worker loop does around a run.
class MUSTER_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MUSTER_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() MUSTER_TSA(release_capability()) {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void Unlock() MUSTER_TSA(release_capability()) {
    held_ = false;
    mutex_.unlock();
  }
  void Lock() MUSTER_TSA(acquire_capability()) {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

using CondVar = std::condition_variable;

/// Waits on `cv` for as long as it takes; callers loop on their condition. For shutdowns and tests:
/// whatever has a deadline waits through a Clock.
inline void Wait(Mutex& mutex, CondVar& cv) MUSTER_REQUIRES(mutex) {
  std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
  cv.wait(lock);
  lock.release();
}

}  // namespace muster::base
