#include "muster/base/clock.h"

#include <ctime>

namespace muster::base {
namespace {

class SystemClock : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }

  WallTime WallNow() const override {
    return std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
  }

  Duration ThreadCpu() const override {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  }

  void WaitUntil(Mutex& mutex, CondVar& cv, TimePoint deadline) override MUSTER_REQUIRES(mutex) {
    // Some standard libraries convert the deadline to another clock, which overflows for kNever.
    if (deadline == kNever) return Wait(mutex, cv);
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    cv.wait_until(lock, deadline);
    lock.release();
  }
};

}  // namespace

Clock& RealClock() {
  // Never destroyed: threads may still ask for the time while the process ends.
  static Clock* const clock = new SystemClock;
  return *clock;
}

}  // namespace muster::base
