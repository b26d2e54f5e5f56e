#include "muster/model/model.h"

#include <optional>
#include <utility>

#include "muster/base/mutex.h"

namespace muster::model {
namespace {

/// Keeps the end of one run until somebody asks for it.
class WaitingSink final : public RunSink {
 public:
  void OnDone(RunId, base::Result<std::vector<tensor::Tensor>> outputs) override {
    base::MutexLock lock(mutex_);
    MUSTER_CHECK(!outputs_.has_value(), "a run was done twice");
    outputs_ = std::move(outputs);
    done_.notify_one();  // under the lock: once it is free, this sink may be gone
  }

  base::Result<std::vector<tensor::Tensor>> Await() {
    base::MutexLock lock(mutex_);
    while (!outputs_.has_value()) base::Wait(mutex_, done_);
    return *std::move(outputs_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar done_;
  std::optional<base::Result<std::vector<tensor::Tensor>>> outputs_ MUSTER_GUARDED_BY(mutex_);
};

}  // namespace

std::string ModelSource::DisplayName() const {
  if (path.empty()) return "bytes";
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  const std::size_t slash = path.rfind('/', end);
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(begin, end + 1 - begin);
}

base::Result<std::vector<tensor::Tensor>> RunAndWait(Instance& instance,
                                                     std::span<const tensor::Tensor> inputs) {
  WaitingSink sink;
  instance.Start(0, inputs, sink);
  return sink.Await();
}

}  // namespace muster::model
