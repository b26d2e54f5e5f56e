#include "muster/engine/internal/image_pool.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <pthread.h>
#include <sched.h>
#include <utility>

namespace muster::engine {

using features::image::ImageScratch;

/// One request. Belongs to the pool until its last picture is done, then to the loop it came from,
/// where it dies: what keeps its bytes alive may belong to that loop.
struct ImagePool::Job {
  ImageRequest request;
  ImageRoute route;
  base::TimePoint deadline;
  base::Loop* home;
  ImagesDone done;
  tensor::Tensor rows;
  std::vector<base::Status> statuses;
  std::atomic<std::size_t> left;
  std::size_t bytes = 0;  // of its rows
};

namespace {

base::Error Expired() {
  return base::DeadlineExceeded("the deadline passed before the pictures were decoded", "EXPIRED");
}

base::Error Draining() {
  base::Error error = base::Unavailable("the server is shutting down", "DRAINING");
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

ImagePool::ImagePool(ImagePoolOptions options, batching::Device& device, base::Clock& clock)
    : options_(options), device_(device), clock_(clock) {}

void ImagePool::Submit(ImageRequest request, ImageRoute route, base::TimePoint deadline,
                       base::Loop* home, ImagesDone done) {
  const std::size_t count = request.pictures.size();
  MUSTER_CHECK(count > 0, "a request without pictures");
  std::unique_ptr<Job> job(new Job{.request = std::move(request),
                                   .route = route,
                                   .deadline = deadline,
                                   .home = home,
                                   .done = std::move(done),
                                   .rows = {},
                                   .statuses = std::vector<base::Status>(count),
                                   .left = count});
  job->bytes = count * route.plan.row_bytes();
  base::Status admitted;
  {
    base::MutexLock lock(mutex_);
    admitted = Admit(*job, clock_.Now());
    if (admitted) bytes_ += job->bytes;
  }
  if (admitted) {
    job->rows = tensor::Tensor::Allocate(
        route.plan.dtype(), route.plan.row_shape().WithRows(static_cast<std::int64_t>(count)));
    base::MutexLock lock(mutex_);
    if (!draining_) {
      StartThreads();
      Job* const shared = job.release();
      for (std::size_t i = 0; i < count; ++i) tasks_.push_back({shared, i});
      lock.Unlock();
      count == 1 ? changed_.notify_one() : changed_.notify_all();
      return;
    }
    bytes_ -= job->bytes;
    admitted = Draining();
  }
  home->Post([job = std::move(job), error = std::move(admitted).error()]() mutable {
    job->done(std::move(error));
  });
}

// Refuses what has no chance: the pictures before it alone take longer than it may wait.
base::Status ImagePool::Admit(const Job& job, base::TimePoint now) const {
  if (draining_) return Draining();
  if (job.request.cancelled.stop_requested()) {
    return base::Cancelled("the client gave the request up");
  }
  if (job.deadline <= now) return Expired();
  const std::size_t waiting = tasks_.size();
  const bool few = waiting == 0 || waiting + job.statuses.size() <= options_.max_waiting;
  if (!few || job.bytes > options_.max_bytes - std::min(bytes_, options_.max_bytes)) {
    return base::ResourceExhausted(
        std::to_string(waiting) + " pictures wait to be decoded, the bound is " +
            std::to_string(options_.max_waiting) + ", and their rows may take " +
            std::to_string(options_.max_bytes) + " bytes; the request has " +
            std::to_string(job.statuses.size()) + " (" + std::to_string(job.bytes) + " bytes)",
        "QUEUE_FULL");
  }
  const double ahead = static_cast<double>(waiting) * typical_nanos_ / options_.threads;
  const auto left = static_cast<double>((job.deadline - now).count());
  if (ahead <= left) return {};
  base::Error error = base::Unavailable(
      "overloaded: " + std::to_string(waiting) + " pictures wait to be decoded", "OVERLOADED");
  error.retry_after =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil((ahead - left) / 1e6)));
  return error;
}

void ImagePool::StartThreads() {
  if (!threads_.empty()) return;
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Work(); });
}

void ImagePool::Drain() {
  std::vector<std::jthread> threads;
  {
    base::MutexLock lock(mutex_);
    draining_ = true;
    threads = std::move(threads_);
    threads_.clear();
  }
  changed_.notify_all();
  threads.clear();  // joins
}

void ImagePool::Work() {
  // As the batcher's executors: never to keep an event loop waiting (sched(7)).
  const sched_param no_priority{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &no_priority);
  ImageScratch scratch;
  while (true) {
    Task task;
    {
      base::MutexLock lock(mutex_);
      while (tasks_.empty() && !draining_) base::Wait(mutex_, changed_);
      if (tasks_.empty()) return;
      task = tasks_.front();
      tasks_.pop_front();
    }
    Run(task, scratch);
  }
}

void ImagePool::Run(const Task& task, ImageScratch& scratch) {
  Job& job = *task.job;
  job.statuses[task.picture] = Prepare(task, scratch);
  // From the last one on nobody else looks at the job.
  if (job.left.fetch_sub(1, std::memory_order_acq_rel) == 1) Finish(std::unique_ptr<Job>(&job));
}

base::Status ImagePool::Prepare(const Task& task, ImageScratch& scratch) {
  Job& job = *task.job;
  if (job.request.cancelled.stop_requested()) {
    return base::Cancelled("the client gave the request up");
  }
  if (job.deadline <= clock_.Now()) return Expired();
  device_.Acquire(job.route.flow);
  const base::TimePoint start = clock_.Now();
  const features::image::ImagePlan& plan = job.route.plan;
  base::Status prepared = plan.Prepare(job.request.pictures[task.picture], options_.limits,
                                       job.rows.bytes() + task.picture * plan.row_bytes(), scratch);
  const base::Duration took = clock_.Now() - start;
  device_.Release(job.route.flow, took);
  if (prepared) Learn(took);
  return prepared;
}

void ImagePool::Learn(base::Duration took) {
  constexpr double kShare = 0.05;  // of a new one in the mean
  base::MutexLock lock(mutex_);
  const auto nanos = static_cast<double>(took.count());
  typical_nanos_ = typical_nanos_ == 0 ? nanos : typical_nanos_ + kShare * (nanos - typical_nanos_);
}

void ImagePool::Finish(std::unique_ptr<Job> job) {
  PreparedImages prepared;
  const std::size_t row_bytes = job->route.plan.row_bytes();
  std::byte* const rows = job->rows.bytes();
  for (std::size_t i = 0; i < job->statuses.size(); ++i) {
    if (!job->statuses[i]) continue;
    const auto row = static_cast<std::size_t>(prepared.rows++);
    if (row < i) std::memcpy(rows + row * row_bytes, rows + i * row_bytes, row_bytes);
  }
  if (prepared.rows > 0) prepared.inputs.push_back(job->rows.Rows(0, prepared.rows));
  prepared.statuses = std::move(job->statuses);
  {
    base::MutexLock lock(mutex_);
    bytes_ -= job->bytes;
  }
  base::Loop* const home = job->home;
  home->Post([job = std::move(job), prepared = std::move(prepared)]() mutable {
    // Given up as a whole, whatever came of the pictures that were done before.
    for (const base::Status& status : prepared.statuses) {
      if (status) continue;
      const base::Code code = status.error().code;
      if (code == base::Code::kCancelled || code == base::Code::kDeadlineExceeded) {
        return job->done(status.error());
      }
    }
    job->done(std::move(prepared));
  });
}

}  // namespace muster::engine
