#include "muster/server/http/asio_loop.h"

#include <utility>

namespace muster::server::http {
namespace {

// Of one turn; more is allocated once.
constexpr std::size_t kUsualTasks = 16;

}  // namespace

AsioLoop::AsioLoop(base::Clock& clock)
    // One thread runs the sockets; others only post, which this hint still allows.
    : clock_(clock), io_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO), alarm_(io_) {
  for (std::vector<Task>* tasks : {&posted_, &running_, &end_of_turn_, &ending_}) {
    tasks->reserve(kUsualTasks);
  }
}

void AsioLoop::Post(Task task) {
  bool first = false;
  {
    base::MutexLock lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // One wake-up for all that is posted until the loop gets to it.
  if (first) boost::asio::post(io_, BindTo(posted_slot_, [this] { RunPosted(); }));
}

void AsioLoop::RunPosted() {
  {
    base::MutexLock lock(mutex_);
    std::swap(running_, posted_);
  }
  for (Task& task : running_) std::exchange(task, nullptr)();  // gone before the next runs
  running_.clear();
}

void AsioLoop::AtEndOfTurn(Task task) {
  // The handlers of this turn are queued already; what is posted now runs behind them, and before
  // anything that the next look at the sockets brings.
  if (end_of_turn_.empty()) {
    boost::asio::post(io_, BindTo(end_slot_, [this] { RunEndOfTurn(); }));
  }
  end_of_turn_.push_back(std::move(task));
}

void AsioLoop::RunEndOfTurn() {
  std::swap(ending_, end_of_turn_);
  for (Task& task : ending_) std::exchange(task, nullptr)();
  ending_.clear();
  ++turn_;
}

base::Loop::TimerId AsioLoop::At(base::TimePoint when, Task task) {
  const TimerId id = timers_.Add(when, std::move(task));
  if (when < armed_for_) Arm();
  return id;
}

// The alarm stays as it is: at worst it rings once for nothing.
void AsioLoop::CancelTimer(TimerId id) { timers_.Cancel(id); }

void AsioLoop::Arm() {
  armed_for_ = timers_.next();
  if (armed_for_ == base::kNever) return;
  if (armed_for_ <= Now()) {
    return boost::asio::post(io_, BindTo(alarm_slot_, [this] { RunTimers(); }));
  }
  alarm_.expires_at(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(armed_for_));
  alarm_.async_wait(BindTo(alarm_slot_, [this](const boost::system::error_code& error) {
    if (!error) RunTimers();
  }));
}

void AsioLoop::RunTimers() {
  armed_for_ = base::TimePoint::min();  // what a timer adds is armed for below, once
  const base::TimePoint now = Now();  // once: a timer that adds another for now does not starve us
  Task task;
  while (timers_.PopDue(now, task)) std::exchange(task, nullptr)();
  Arm();
}

void AsioLoop::Run() {
  const auto work = boost::asio::make_work_guard(io_);
  io_.run();
}

}  // namespace muster::server::http
