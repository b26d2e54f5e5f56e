#include "muster/batching/internal/executor.h"

#include <optional>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <utility>

namespace muster::batching {
namespace {

bool DataMayBeToBlame(const base::Error& error) {
  return error.code == base::Code::kInvalidArgument;
}

// What a failure of the whole run is to its requests.
base::Error BatchError(const base::Error& error) {
  switch (error.code) {
    case base::Code::kResourceExhausted:
    case base::Code::kUnavailable:
    case base::Code::kDeadlineExceeded:
      return error;
    default:
      if (error.reason == "BACKEND_INVALID") return error;
      return base::Internal("the model failed: " + error.message, "BACKEND_ERROR");
  }
}

// What fails together: single rows, or what a request has in this batch.
std::vector<Slice> UnitsOf(std::span<const Slice> slices) {
  std::vector<Slice> units;
  for (const Slice& slice : slices) {
    if (slice.pending->item.isolation == Isolation::kRequest) {
      units.push_back(slice);
      continue;
    }
    for (std::int64_t row = 0; row < slice.rows; ++row) {
      units.push_back({slice.pending, slice.first_row + row, 1});
    }
  }
  return units;
}

}  // namespace

struct Executor::Suspects {
  explicit Suspects(std::span<const Slice> slices)
      : units(UnitsOf(slices)), open(units.size(), true) {}

  // Neighbouring rows of one request become one slice again.
  std::vector<Slice> SlicesOf(const std::vector<int>& chosen) const {
    std::vector<Slice> slices;
    for (const int index : chosen) {
      const Slice& unit = units[static_cast<std::size_t>(index)];
      if (!slices.empty() && slices.back().pending == unit.pending &&
          slices.back().first_row + slices.back().rows == unit.first_row) {
        slices.back().rows += unit.rows;
      } else {
        slices.push_back(unit);
      }
    }
    return slices;
  }

  void Close(const std::vector<int>& chosen) {
    for (const int index : chosen) open[static_cast<std::size_t>(index)] = false;
  }

  std::vector<Slice> units;
  std::vector<bool> open;               // neither settled nor given up
  std::optional<bool> probe_succeeds;   // asked once for a failed batch
  std::optional<base::Error> hopeless;  // no use in running any more of them
};

Executor::Executor(const model::ModelSpec& spec, std::unique_ptr<model::Instance> instance,
                   std::span<const tensor::Tensor> probe, Dispatch& dispatch, base::Clock& clock,
                   RunForm form)
    : probe_(probe),
      dispatch_(dispatch),
      clock_(clock),
      runner_(spec, std::move(instance), clock, form) {
  seat_.runner = &runner_;
}

void Executor::Work() {
  // Woken by the first row of a loop's turn, an executor that shares the loop's core would preempt
  // it and run that row alone. As a batch thread (sched(7)) it never preempts on waking: the turn's
  // other rows join the queue first. Where a core is idle it starts at once all the same.
  const sched_param no_priority{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &no_priority);
  while (const FormedBatch batch = dispatch_.Next(seat_)) Execute(batch);
}

void Executor::Execute(const FormedBatch& batch) {
  RunOutcome run = std::exchange(seat_.begun, false)
                       ? runner_.Finish()
                       : runner_.Run(batch.slices, dispatch_.BeginRun(batch));
  seat_.used = run.info.finished - run.info.formed;
  if (run.outputs) {
    dispatch_.Report(true, run.info.finished);
    return Settle(run, batch.slices, seat_.answers);
  }
  dispatch_.Retry(run.info, batch.slices);
  if (!DataMayBeToBlame(run.outputs.error())) {
    dispatch_.Report(false, run.info.finished);
    return dispatch_.Fail(batch.slices, BatchError(run.outputs.error()));
  }
  Isolate(batch.slices, run.outputs.error());
  seat_.used = clock_.Now() - run.info.formed;
}

void Executor::Settle(const RunOutcome& run, std::span<const Slice> slices, Deliveries& answers) {
  base::RecycledVector<WorkPart> parts = PartsOf(*run.outputs, slices);
  dispatch_.Succeed(run.info, slices, parts, answers);
}

// All of `slices` together have failed with `error`, which their data may have caused.
void Executor::Isolate(std::span<const Slice> slices, const base::Error& error) {
  Suspects suspects(slices);
  if (suspects.units.size() == 1) return Blame(suspects, 0, error);
  Bisection bisection(static_cast<int>(suspects.units.size()));
  while (!suspects.hopeless) {
    dispatch_.CloseDead(suspects.units, suspects.open);
    const std::vector<int> next =
        bisection.Next([&](int unit) { return suspects.open[static_cast<std::size_t>(unit)]; });
    if (next.empty()) break;
    RunAgain(suspects, next, bisection);
  }
  if (!suspects.hopeless) return;
  std::vector<int> rest = bisection.Rest();
  std::erase_if(rest, [&](int unit) { return !suspects.open[static_cast<std::size_t>(unit)]; });
  if (!rest.empty()) dispatch_.Fail(suspects.SlicesOf(rest), *suspects.hopeless);
}

void Executor::RunAgain(Suspects& suspects, const std::vector<int>& units, Bisection& bisection) {
  const std::vector<Slice> slices = suspects.SlicesOf(units);
  std::int64_t rows = 0;
  for (const Slice& slice : slices) rows += slice.rows;
  RunOutcome run = runner_.Run(slices, dispatch_.BeginExtraRun(rows));
  const bool succeeded = run.outputs.has_value();
  bisection.OnRun(succeeded);
  if (succeeded) {
    suspects.Close(units);
    Deliveries answers;
    Settle(run, slices, answers);
    return answers.Post();
  }
  dispatch_.Retry(run.info, slices);
  const base::Error& error = run.outputs.error();
  if (!DataMayBeToBlame(error)) {
    suspects.Close(units);
    GiveUp(suspects, BatchError(error));
    return dispatch_.Fail(slices, *suspects.hopeless);
  }
  if (units.size() == 1) Blame(suspects, units[0], error);
}

// A unit has failed alone: the data's fault if the model still takes what it took before.
void Executor::Blame(Suspects& suspects, int unit, const base::Error& error) {
  suspects.Close({unit});
  const Slice& slice = suspects.units[static_cast<std::size_t>(unit)];
  if (!ProbeSucceeds(suspects)) {
    GiveUp(suspects, base::Internal("the model failed: " + error.message, "BACKEND_ERROR"));
    return dispatch_.Fail(std::span(&slice, 1), *suspects.hopeless);
  }
  dispatch_.IsolateClient(slice.pending->item.client);
  dispatch_.Fail(std::span(&slice, 1),
                 base::InvalidArgument(error.message, "INPUT_REJECTED_BY_MODEL"));
}

// The backend is to blame: running any more of them is of no use.
void Executor::GiveUp(Suspects& suspects, base::Error error) {
  suspects.hopeless = std::move(error);
  dispatch_.Report(false, clock_.Now());
}

bool Executor::ProbeSucceeds(Suspects& suspects) {
  if (!suspects.probe_succeeds) {
    suspects.probe_succeeds = probe_.empty()
                                  ? dispatch_.any_run_succeeded()
                                  : runner_.RunProbe(probe_, dispatch_.NewRunId()).has_value();
  }
  return *suspects.probe_succeeds;
}

}  // namespace muster::batching
