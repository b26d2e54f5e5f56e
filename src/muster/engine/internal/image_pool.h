#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/mutex.h"
#include "muster/batching/device.h"
#include "muster/engine/engine.h"
#include "muster/features/image/image_plan.h"

namespace muster::engine {

struct ImagePoolOptions {
  int threads = 1;
  std::size_t max_waiting = 4096;      ///< pictures; one request may have more where none waits
  std::size_t max_bytes = 512u << 20;  ///< of the rows that are being made
  features::image::DecodeLimits limits;
};

/// Where a version's pictures go.
struct ImageRoute {
  const features::image::ImagePlan& plan;
  batching::Device::FlowId flow;
};

/// Threads that decode, scale and normalise pictures of all models: one picture at a time each,
/// holding a slot of the device meanwhile, whose time is charged to the model. First come, first
/// served; a request's pictures may be on several threads at once. The threads start with the first
/// request. Thread-safe.
class ImagePool {
 public:
  /// `device` and `clock` outlive this.
  ImagePool(ImagePoolOptions options, batching::Device& device, base::Clock& clock);
  ~ImagePool() { Drain(); }
  ImagePool(const ImagePool&) = delete;
  ImagePool& operator=(const ImagePool&) = delete;

  /// See Engine::PrepareImages; `route` lives as long as the request's model.
  void Submit(ImageRequest request, ImageRoute route, base::TimePoint deadline, base::Loop* home,
              ImagesDone done);
  /// Finishes what was accepted; then refuses. Blocks; idempotent.
  void Drain();

 private:
  struct Job;
  struct Task {
    Job* job;
    std::size_t picture;
  };

  base::Status Admit(const Job& job, base::TimePoint now) const MUSTER_REQUIRES(mutex_);
  void StartThreads() MUSTER_REQUIRES(mutex_);
  void Work();
  void Run(const Task& task, features::image::ImageScratch& scratch);
  base::Status Prepare(const Task& task, features::image::ImageScratch& scratch);
  void Learn(base::Duration took);
  void Finish(std::unique_ptr<Job> job);

  const ImagePoolOptions options_;
  batching::Device& device_;
  base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Task> tasks_ MUSTER_GUARDED_BY(mutex_);
  std::size_t bytes_ MUSTER_GUARDED_BY(mutex_) = 0;  // of all jobs' rows
  bool draining_ MUSTER_GUARDED_BY(mutex_) = false;
  double typical_nanos_ MUSTER_GUARDED_BY(mutex_) = 0;  // of one picture; 0: none yet
  std::vector<std::jthread> threads_ MUSTER_GUARDED_BY(mutex_);
};

}  // namespace muster::engine
