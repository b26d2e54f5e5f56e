#include <algorithm>
#include <limits>

#include "muster/batching/internal/queue_world.h"

namespace muster::batching {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::size_t kNoted = 40;
constexpr int kSlowTimes = 20;
constexpr std::initializer_list<const char*> kClients = {"", "a", "b", "c"};

}  // namespace

WorldPlan::WorldPlan(Dice& dice) {
  policy.kind = dice.Of({PolicyKind::kAdaptive, PolicyKind::kAdaptive, PolicyKind::kWindow,
                         PolicyKind::kAimd, PolicyKind::kNone});
  policy.max_batch_size = dice.Of<std::int64_t>({1, 2, 4, 8, 8, 16, 64});
  fixed = dice.Of<nanoseconds>({microseconds(2), microseconds(100), milliseconds(5)});
  row = dice.Of<nanoseconds>({microseconds(1), microseconds(50), milliseconds(1)});
  const base::Duration full = RunTime(policy.max_batch_size);
  policy.max_wait = std::chrono::ceil<microseconds>(full * dice.Of({1, 3, 20}) / dice.Of({1, 4}));
  queue.instances = 1 + static_cast<int>(dice.Pick(4));
  queue.max_rows = dice.Of<std::int64_t>({4, 12, 40, 120});
  if (dice.Percent(20)) queue.max_bytes = static_cast<std::size_t>(dice.Of({100, 1000}));
  queue.isolate_for = std::chrono::ceil<milliseconds>(full * dice.Of({1, 10, 100}));
  queue.max_run_rows = policy.max_batch_size;
  queue.refuse_late = !dice.Percent(10);
  queue.drop_late = !dice.Percent(10);
  // Requests have two or three rows.
  const double rate = dice.Of({0.2, 0.8, 1.2, 4.0}) * queue.instances *
                      static_cast<double>(policy.max_batch_size) / 2.5;
  gap = base::Duration(static_cast<std::int64_t>(static_cast<double>(full.count()) / rate));
  events = 300 + static_cast<int>(dice.Pick(60));
  widths = dice.Percent(3) ? 300 : 3 + dice.Pick(3);
  deadlines = dice.Of({20, 80, 100});
  explicit_deadlines = dice.Of({0, 50, 100, 100});
  cancellable = dice.Of({0, 10, 60});
  failures = dice.Of({0, 3, 30});
  patience = full * dice.Of({1, 3, 10});
}

std::optional<std::string> QueueWorld::Run() {
  for (int i = 0; i < plan_.events && ok(); ++i) {
    Event();
    if (ok()) Launch();
    if (ok()) checker_.CheckFigures();
    if (ok() && i % 8 == 0) checker_.CheckLearned(Now());
    PassTime(dice_.Percent(30) ? base::Duration(0) : dice_.About(plan_.gap));
  }
  if (ok()) DrainAll();
  return checker_.violation();
}

void QueueWorld::Event() {
  const std::int64_t what = dice_.Pick(200);
  if (what < 160) {
    Arrive();
  } else if (what < 180) {
    Cancel();
  } else if (what < 184) {
    Isolate();
  } else if (what < 192) {
    Note("collects the dead", 0);
    checker_.RemoveDead(Now());
  } else if (what < 196) {
    slow_until_ = now_ + plan_.RunTime(plan_.policy.max_batch_size) * kSlowTimes;
    Note("slow until", (slow_until_ - kStart).count());
  } else if (what < 198) {
    now_ += dice_.Of<nanoseconds>({milliseconds(2), seconds(1), seconds(3), hours(2)});
    Note("the clock jumps to", (now_ - kStart).count());
  }
}

// Calls of several threads come slightly out of order.
base::TimePoint QueueWorld::Now() {
  return dice_.Percent(10) ? now_ - microseconds(dice_.Pick(50)) : now_;
}

void QueueWorld::Note(const char* what, std::int64_t number) {
  if (!recording_) return;
  log_.push_back("  " + std::to_string((now_ - kStart).count()) + " ns: " + what + " " +
                 std::to_string(number));
  if (log_.size() > kNoted) log_.pop_front();
}

std::string QueueWorld::log() const {
  std::string text;
  for (const std::string& event : log_) text += event + "\n";
  return text;
}

// --- Time

void QueueWorld::PassTime(base::Duration time) {
  const base::TimePoint until = now_ + time;
  while (ok()) {
    const base::TimePoint next = NextOccurrence();
    if (next > until) break;
    now_ = std::max(now_, next);
    Occur();
    if (ok()) Launch();
    if (ok()) checker_.CheckFigures();
  }
  now_ = std::max(now_, until);
}

base::TimePoint QueueWorld::NextOccurrence() const {
  base::TimePoint next = queue_->NextDeadline();
  if (running_.size() < static_cast<std::size_t>(plan_.queue.instances)) {
    next = std::min(next, wake_);
  }
  for (const Running& run : running_) next = std::min(next, run.end);
  return next;
}

// One of the things whose time has come; Launch looks for more work after each. A wake is nothing
// but that.
void QueueWorld::Occur() {
  if (queue_->NextDeadline() <= now_) {
    Note("some expire", 0);
    return checker_.RemoveDead(now_);
  }
  const auto over =
      std::ranges::find_if(running_, [this](const Running& r) { return r.end <= now_; });
  if (over != running_.end()) Finish(static_cast<std::size_t>(over - running_.begin()));
}

// --- Requests

void QueueWorld::Arrive() {
  RequestOptions options{.rows = 1 + dice_.Pick(dice_.Percent(60) ? 2 : 5),
                         .priority = static_cast<int>(dice_.Pick(3)) - 1,
                         .deadline_is_explicit = dice_.Percent(plan_.explicit_deadlines),
                         .client = dice_.Of(kClients),
                         .width = 1 + dice_.Pick(dice_.Percent(50) ? 3 : plan_.widths)};
  if (dice_.Percent(4)) options.rows = 1 + dice_.Pick(3 * plan_.policy.max_batch_size);
  if (dice_.Percent(2)) options.rows = plan_.queue.max_rows + dice_.Pick(9);
  if (dice_.Percent(plan_.deadlines)) {
    // Often the same for several, and now and then past.
    const base::Duration step = plan_.patience / 4 + nanoseconds(1);
    const base::Duration left = dice_.About(plan_.patience) / step * step;
    options.deadline = now_ + left + plan_.RunTime(dice_.Pick(2));
    if (dice_.Percent(2)) options.deadline = now_ - microseconds(dice_.Pick(3));
  }
  base::CancelSource source{std::nostopstate};
  if (dice_.Percent(plan_.cancellable)) {
    source = base::CancelSource();
    options.cancelled = source.get_token();
    if (dice_.Percent(2)) source.request_stop();
  }
  const PendingPtr pending = Request(std::move(options));
  Note("a request of so many rows", pending->item.rows);
  all_.push_back(pending);
  checker_.Push(pending, Now());
  if (source.stop_possible()) cancellable_.emplace_back(pending, std::move(source));
}

// The batcher removes what is cancelled when it is told, which may be after the queue sees it.
void QueueWorld::Cancel() {
  const std::size_t waiting = checker_.waiting().size();
  if (dice_.Percent(30) && waiting > 0) {
    const auto place = static_cast<std::size_t>(dice_.Pick(static_cast<std::int64_t>(waiting)));
    const PendingPtr pending = checker_.waiting()[place].pending;
    Note("one that waits is removed, in place", static_cast<std::int64_t>(place));
    checker_.Remove(pending);
    checker_.Remove(pending);
  } else if (!cancellable_.empty()) {
    // Most of those from long ago have been answered.
    const auto all = static_cast<std::int64_t>(cancellable_.size());
    const std::int64_t place = all - 1 - dice_.Pick(std::min<std::int64_t>(all, 8));
    auto& [pending, source] = cancellable_[static_cast<std::size_t>(place)];
    Note("one is cancelled, in place", place);
    source.request_stop();
    if (dice_.Percent(50)) checker_.Remove(pending);
  }
}

void QueueWorld::Isolate() {
  const std::string client = dice_.Of(kClients);
  Note(("isolates \"" + client + "\"").c_str(), 0);
  checker_.IsolateClient(client, Now());
}

// --- Runs

// Now and then an executor is kept from looking, and looks a moment later.
void QueueWorld::Launch() {
  while (ok() && running_.size() < static_cast<std::size_t>(plan_.queue.instances)) {
    if (dice_.Percent(2)) {
      wake_ = now_ + microseconds(dice_.Pick(20));
      return;
    }
    FormedBatch batch = checker_.PopReady(Now(), &wake_);
    if (!batch) return;
    Note("a batch of so many rows", batch.rows);
    const base::TimePoint end = now_ + RunTime(batch.rows);
    running_.push_back({std::move(batch), end});
  }
}

base::Duration QueueWorld::RunTime(std::int64_t rows) {
  base::Duration time = plan_.RunTime(rows);
  if (now_ < slow_until_) time *= kSlowTimes;
  if (dice_.Percent(1)) time *= 50;
  return time + dice_.About(time / 10);
}

void QueueWorld::Finish(std::size_t place) {
  const Running run = std::move(running_[place]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
  const bool failed = dice_.Percent(plan_.failures);
  Note(failed ? "a run fails, of rows" : "a run is over, of rows", run.batch.rows);
  const base::TimePoint now = Now();
  std::optional<base::Duration> took;
  if (!failed) took = now_ - run.batch.formed;
  checker_.EndRun(run.batch.number, took, now);
  if (failed) Fail(run.batch);
}

// A request that is isolated as a whole takes the rest of its rows along; its client is isolated.
void QueueWorld::Fail(const FormedBatch& batch) {
  for (const Slice& slice : batch.slices) {
    if (dice_.Percent(30)) checker_.Remove(slice.pending);
  }
  if (dice_.Percent(30)) checker_.IsolateClient(batch.slices[0].pending->item.client, Now());
}

void QueueWorld::DrainAll() {
  Note("drains", 0);
  checker_.Drain();
  Arrive();
  Launch();
  // Each round ends a run or buries the dead.
  for (std::size_t i = 0; i <= 4 * all_.size() + 1000 && ok(); ++i) {
    const base::TimePoint next = NextOccurrence();
    if (next == base::kNever) break;
    PassTime(std::max(next, now_) - now_);
  }
  if (!ok()) return;
  checker_.RemoveDead(now_);
  checker_.CheckFigures();
  checker_.CheckEmpty();
  cancellable_.clear();
  checker_.CheckReleased(all_);
}

std::optional<std::string> ViolationOf(std::uint64_t seed, const MakeQueue& make) {
  const std::optional<std::string> violation = QueueWorld(seed, make).Run();
  if (!violation) return violation;
  QueueWorld again(seed, make);
  again.Record();
  const bool replays = again.Run() == violation;
  return *violation + "\nafter\n" + again.log() + (replays ? "" : "(A replay differs!)\n") +
         "MUSTER_FUZZ_FIRST=" + std::to_string(seed) + " MUSTER_FUZZ_SEEDS=1 runs it again.";
}

}  // namespace muster::batching
