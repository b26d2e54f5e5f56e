#include "muster/bench/load_run.h"

#include <fstream>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <thread>
#include <time.h>

#include "muster/bench/epoll_wire.h"

namespace muster::bench {
namespace {

using base::Duration;
using base::TimePoint;

/// As many descriptors as this process may have: each connection takes one.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

base::Status CheckCores(const std::vector<int>& cores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (const int core : cores) {
    if (core >= 0 && core < CPU_SETSIZE && CPU_ISSET(static_cast<std::size_t>(core), &allowed)) {
      continue;
    }
    return base::InvalidArgument("--cores: expected cores that this process may use, got " +
                                 std::to_string(core));
  }
  return {};
}

void Pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// How long this thread has been ready to run while another had its core (the second number of
/// schedstat); 0 where the kernel does not say.
double ThreadStarvedSeconds() {
  std::ifstream in("/proc/thread-self/schedstat");
  double running = 0, waiting = 0;
  return in >> running >> waiting ? waiting / 1e9 : 0;
}

/// The `index`-th of `parts` nearly equal parts of `whole`.
std::size_t Part(std::size_t whole, std::size_t index, std::size_t parts) {
  return whole / parts + (index < whole % parts ? 1 : 0);
}

base::Result<std::vector<Duration>> Schedule(const Settings& settings) {
  const ArrivalOptions options{.kind = *settings.arrivals,
                               .rate = settings.rate,
                               .duration = settings.warm_up + settings.duration,
                               .seed = settings.arrivals_seed};
  if (settings.phases.empty()) return DrawArrivals(options);
  std::vector<Phase> phases = settings.phases;
  phases.front().duration += settings.warm_up;
  return DrawPhases(options, phases);
}

LoadPlan PlanOf(const Settings& settings, const Workload& work,
                const std::vector<Duration>& arrivals, std::size_t thread) {
  const auto threads = static_cast<std::size_t>(settings.threads);
  LoadPlan plan;
  plan.arrivals = settings.open_loop() ? &arrivals : nullptr;
  plan.first_arrival = thread;
  plan.stride = threads;
  plan.connections = Part(settings.connections, thread, threads);
  plan.max_connections =
      Part(std::max(settings.max_connections, settings.connections), thread, threads);
  plan.burst = Part(settings.burst, thread, threads);
  plan.warm_up = settings.warm_up;
  plan.duration = settings.duration;
  plan.give_up = settings.give_up;
  plan.slice = settings.slice;
  if (settings.request.timeout_ms > 0) {
    plan.deadline = std::chrono::milliseconds(settings.request.timeout_ms);
  }
  plan.slo = settings.slo.value_or(Duration::max());
  plan.inputs = work.messages.size();
  plan.first_input = thread * work.messages.size() / threads;
  plan.check_share = work.expected.empty() ? 0 : settings.check_share;
  plan.check = [&work](std::size_t input, std::string_view body) {
    return work.Difference(input, body);
  };
  return plan;
}

/// One thread's generator and what it counted.
struct Generator {
  LoadPlan plan;
  std::unique_ptr<EpollWire> wire;
  Tally tally;
  Duration timed{0};
};

void Generate(Generator& g, TimePoint begin, const std::atomic<bool>& stop,
              const std::function<void(TimePoint)>& progress) {
  constexpr Duration kLook = std::chrono::milliseconds(100);
  // Timers of other threads may be late by 50 µs to save power; ours are what is measured.
  prctl(PR_SET_TIMERSLACK, 1);
  const base::Clock& clock = base::RealClock();
  const double cpu = ThreadCpuSeconds(), starved = ThreadStarvedSeconds();
  LoadLoop loop(g.plan, *g.wire, g.tally);
  loop.Begin(begin);
  TimePoint now = begin, reported = begin;
  while (!loop.done()) {
    g.wire->Poll(loop, std::min(loop.NextTick(), now + kLook));
    now = clock.Now();
    loop.Tick(now);
    if (stop.load(std::memory_order_relaxed)) loop.Interrupt(now);
    if (progress && now - reported >= std::chrono::milliseconds(500)) progress(reported = now);
  }
  g.timed = loop.timed(now);
  g.tally.cpu_seconds = ThreadCpuSeconds() - cpu;
  g.tally.starved_seconds = ThreadStarvedSeconds() - starved;
  g.tally.wall_seconds = std::chrono::duration<double>(now - begin).count();
}

}  // namespace

base::Result<Total> RunLoad(const Settings& settings, const Workload& work, const RunHooks& hooks) {
  RaiseDescriptorLimit();
  MUSTER_RETURN_IF_ERROR(CheckCores(settings.cores));
  std::vector<Duration> arrivals;
  if (settings.open_loop()) {
    MUSTER_ASSIGN_OR_RETURN(arrivals, Schedule(settings));
  }
  std::vector<std::unique_ptr<Generator>> generators;
  for (std::size_t i = 0; i < static_cast<std::size_t>(settings.threads); ++i) {
    auto& g = generators.emplace_back(std::make_unique<Generator>());
    g->plan = PlanOf(settings, work, arrivals, i);
    MUSTER_ASSIGN_OR_RETURN(g->wire, EpollWire::Create(work.endpoint, work.messages));
  }
  const TimePoint begin = base::RealClock().Now();
  const auto progress = [&](TimePoint now) {
    std::uint64_t answers = 0;
    for (const auto& g : generators) answers += g->tally.answers.load(std::memory_order_relaxed);
    hooks.progress(answers, now - begin);
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < generators.size(); ++i) {
      threads.emplace_back([&, i] {
        const auto& cores = settings.cores;
        if (!cores.empty()) Pin(cores[i % cores.size()]);
        const bool first = i == 0 && hooks.progress;
        Generate(*generators[i], begin, hooks.stop,
                 first ? progress : std::function<void(TimePoint)>());
      });
    }
  }
  Total total;
  for (const auto& g : generators) {
    total.Add(g->tally);
    total.seconds = std::max(total.seconds, std::chrono::duration<double>(g->timed).count());
  }
  return total;
}

}  // namespace muster::bench
