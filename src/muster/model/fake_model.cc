#include "muster/model/fake_model.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "muster/base/mutex.h"

namespace muster::model {
namespace {

using tensor::Tensor;

ModelSpec SpecOf(const FakeModelOptions& options) {
  ModelSpec spec;
  const Dim rows = options.fixed_batch > 0 ? Dim{options.fixed_batch, ""} : Dim{Dim::kDynamic, "N"};
  spec.inputs = {{"x", tensor::DType::kFp32, {rows, {options.width, ""}}}};
  spec.outputs = {{"y", tensor::DType::kFp32, {rows, {options.width, ""}}}};
  spec.producer = spec.format = "fake";
  DeriveBatchAxis(spec);
  return spec;
}

}  // namespace

// Shared by the model and its instances, as the test and the executors use it from their threads.
struct FakeModel::State {
  explicit State(FakeModelOptions o) : options(std::move(o)), spec(SpecOf(options)) {}

  const FakeModelOptions options;
  const ModelSpec spec;

  base::Mutex mutex;
  base::CondVar changed;
  bool held MUSTER_GUARDED_BY(mutex) = false;
  int may_pass MUSTER_GUARDED_BY(mutex) = 0;  // held runs that ReleaseRuns lets go on
  int running MUSTER_GUARDED_BY(mutex) = 0;
  std::vector<Run> runs MUSTER_GUARDED_BY(mutex);
};

/// Synchronous: Start does everything before it returns, on the caller's thread.
class FakeInstance final : public Instance {
 public:
  explicit FakeInstance(std::shared_ptr<FakeModel::State> state) : state_(std::move(state)) {}

  void Start(RunId run, std::span<const Tensor> inputs, RunSink& sink) noexcept override {
    sink.OnDone(run, Run(run, inputs));
  }

  bool completes_inline() const override { return options().completes_inline; }

  void Cancel(RunId run) noexcept override {
    base::MutexLock lock(state_->mutex);
    if (run != run_) return;
    cancelled_ = true;
    state_->changed.notify_all();
  }

 private:
  base::Result<std::vector<Tensor>> Run(RunId run, std::span<const Tensor> inputs) {
    MUSTER_RETURN_IF_ERROR(Check(inputs));
    Enter(run, inputs[0]);
    base::Result<std::vector<Tensor>> outputs = Compute(inputs[0]);
    Leave();
    return outputs;
  }

  base::Status Check(std::span<const Tensor> inputs) const {
    const ModelSpec& spec = state_->spec;
    if (inputs.size() != 1) {
      return base::InvalidArgument("expected 1 input, got " + std::to_string(inputs.size()));
    }
    MUSTER_RETURN_IF_ERROR(CheckInput(spec, spec.inputs[0], inputs[0]));
    if (spec.batch_axis == BatchAxis::kFixed && inputs[0].rows() != spec.fixed_batch) {
      return base::InvalidArgument("expected " + std::to_string(spec.fixed_batch) + " rows, got " +
                                   std::to_string(inputs[0].rows()));
    }
    return {};
  }

  void Enter(RunId run, const Tensor& x) {
    const auto values = x.data<const float>();
    base::MutexLock lock(state_->mutex);
    run_ = run;
    cancelled_ = false;
    ++state_->running;
    state_->runs.push_back({x.rows(), {values.begin(), values.end()}});
    state_->changed.notify_all();
  }

  void Leave() {
    base::MutexLock lock(state_->mutex);
    run_.reset();
    --state_->running;
  }

  base::Result<std::vector<Tensor>> Compute(const Tensor& x) {
    MUSTER_RETURN_IF_ERROR(AwaitRelease());
    if (options().latency) MUSTER_RETURN_IF_ERROR(Spend(options().latency(x.rows())));
    if (options().fault) {
      MUSTER_RETURN_IF_ERROR(options().fault(x.data<const float>(), x.rows()));
    }
    return std::vector<Tensor>{Apply(x)};
  }

  base::Status AwaitRelease() {
    base::MutexLock lock(state_->mutex);
    while (state_->held && state_->may_pass == 0 && !cancelled_) {
      base::Wait(state_->mutex, state_->changed);
    }
    if (cancelled_) return base::Cancelled("the run was cancelled");
    if (state_->held) --state_->may_pass;
    return {};
  }

  /// Lets `d` pass by the model's clock.
  base::Status Spend(base::Duration d) {
    if (options().clock == nullptr) return {};
    base::Clock& clock = *options().clock;
    if (options().advance_fake_clock) {
      // Not under the lock: Advance takes those of whoever waits on the clock.
      if (auto* fake = dynamic_cast<base::FakeClock*>(&clock)) {
        fake->Advance(d);
        return {};
      }
    }
    const base::TimePoint end = clock.Now() + d;
    base::MutexLock lock(state_->mutex);
    while (clock.Now() < end && !cancelled_) clock.WaitUntil(state_->mutex, state_->changed, end);
    if (cancelled_) return base::Cancelled("the run was cancelled");
    return {};
  }

  Tensor Apply(const Tensor& x) const {
    const auto in = x.data<const float>();
    const std::int64_t rows = std::max<std::int64_t>(x.rows() - options().missing_rows, 0);
    const Tensor y = Tensor::Allocate(tensor::DType::kFp32, x.shape().WithRows(rows));
    const auto out = y.data<float>();
    const auto width = static_cast<std::size_t>(options().width);
    const float sum = std::accumulate(in.begin(), in.end(), 0.0f);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = options().function ? options().function(in[i]) : 2 * in[i];
      if (options().mixes_rows) out[i] += static_cast<float>(i / width) + sum;
      if (options().last_bits) {
        const auto rows = static_cast<std::int64_t>(in.size() / width);
        const std::int32_t steps = options().last_bits(rows, static_cast<std::int64_t>(i / width));
        out[i] = std::bit_cast<float>(std::bit_cast<std::int32_t>(out[i]) + steps);
      }
    }
    return y;
  }

  const FakeModelOptions& options() const { return state_->options; }

  const std::shared_ptr<FakeModel::State> state_;
  // Guarded by state_->mutex, which the analysis cannot name here.
  std::optional<RunId> run_;
  bool cancelled_ = false;
};

FakeModel::FakeModel(FakeModelOptions options)
    : state_(std::make_shared<State>(std::move(options))) {}

FakeModel::~FakeModel() = default;

const ModelSpec& FakeModel::spec() const { return state_->spec; }

base::Result<std::unique_ptr<Instance>> FakeModel::NewInstance(const InstanceOptions&) {
  return std::unique_ptr<Instance>(std::make_unique<FakeInstance>(state_));
}

void FakeModel::Hold() {
  base::MutexLock lock(state_->mutex);
  state_->held = true;
  state_->may_pass = 0;
}

void FakeModel::Release() {
  base::MutexLock lock(state_->mutex);
  state_->held = false;
  state_->may_pass = 0;
  state_->changed.notify_all();
}

void FakeModel::ReleaseRuns(int n) {
  base::MutexLock lock(state_->mutex);
  state_->may_pass += n;
  state_->changed.notify_all();
}

void FakeModel::AwaitRunning(int n) {
  base::MutexLock lock(state_->mutex);
  while (state_->running < n) base::Wait(state_->mutex, state_->changed);
}

std::vector<FakeModel::Run> FakeModel::runs() const {
  base::MutexLock lock(state_->mutex);
  return state_->runs;
}

int FakeModel::run_count() const {
  base::MutexLock lock(state_->mutex);
  return static_cast<int>(state_->runs.size());
}

}  // namespace muster::model
