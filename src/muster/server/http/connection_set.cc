#include "muster/server/http/connection_set.h"

#include <malloc.h>
#include <random>

#include "muster/server/http/connection.h"

namespace muster::server::http {
namespace {

// How late a time-out may be noticed. The shortest, the linger, is 1 s in all.
constexpr std::chrono::milliseconds kSweepPeriod(200);

// Asked for when a large body has gone: by itself glibc keeps what such bodies and their tensors
// took in the arenas of all threads. Fixed bounds (mallopt) would give it back, too, but make a
// model whose runs need large blocks map and unmap them in each run.
void GiveMemoryBack() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

// A completion that was ready before has run after this many turns of the loop: one in which the
// sockets are polled, one in which what they brought is queued behind us.
constexpr int kRoundsToReadSockets = 3;
constexpr std::size_t kKeptCompressed = 1u << 20;

}  // namespace

ConnectionSet::ConnectionSet(base::Loop& loop, ServerContext& context)
    : loop_(loop), context_(context), date_(context.clock), next_id_([] {
        std::random_device device;
        return (std::uint64_t{device()} << 32) | device();
      }()) {}

ConnectionSet::~ConnectionSet() {
  MUSTER_CHECK(connections_.empty(),
               "a ConnectionSet is destroyed before its connections are gone");
  if (sweeping_) loop_.CancelTimer(sweep_);
}

void ConnectionSet::Add(std::unique_ptr<Transport> transport) {
  auto connection = std::make_shared<Connection>(*this, std::move(transport));
  connection->set_index(connections_.size());
  connections_.push_back(connection);
  ArmSweep();
  connection->Start();
}

void ConnectionSet::Remove(Connection& connection) {
  const std::size_t index = connection.index();
  MUSTER_CHECK(index < connections_.size() && connections_[index].get() == &connection,
               "a connection is not in its set");
  // Kept until the end: the last reference may be this one.
  const std::shared_ptr<Connection> removed = std::move(connections_[index]);
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->set_index(index);
  }
  connections_.pop_back();
  context_.open_connections.fetch_sub(1, std::memory_order_relaxed);
  ReportIfEmpty();
}

void ConnectionSet::ArmSweep() {
  if (sweeping_ || connections_.empty()) return;
  sweeping_ = true;
  sweep_ = loop_.At(loop_.Now() + kSweepPeriod, [this] { Sweep(); });
}

void ConnectionSet::Sweep() {
  sweeping_ = false;
  const base::TimePoint now = loop_.Now();
  // Backwards: removing moves the last one, which has been looked at, into the gap.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i >= connections_.size()) continue;
    // 1: nobody but this set has it, so whoever should have answered has dropped it.
    const bool abandoned = connections_[i].use_count() == 1;
    connections_[i]->CheckTime(now, abandoned);
  }
  if (context_.budget.TakeLargeReleased()) GiveMemoryBack();
  ArmSweep();
}

void ConnectionSet::Drain(std::function<void()> empty) {
  draining_ = true;
  empty_ = std::move(empty);
  AfterSocketsWereRead(kRoundsToReadSockets, [this] {
    if (closing_) {  // the limit has passed already
      CloseAll();
      return ReportIfEmpty();
    }
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) connections_[i]->EndUnlessAccepted();
    }
    ReportIfEmpty();
  });
}

void ConnectionSet::AfterSocketsWereRead(int rounds, base::Loop::Task task) {
  if (rounds == 0) return task();
  // The nested task is larger than a Loop::Task can hold in place; draining may allocate.
  loop_.Post([this, rounds, task = std::move(task)]() mutable {
    AfterSocketsWereRead(rounds - 1, std::move(task));
  });
}

void ConnectionSet::CloseAll() {
  closing_ = true;
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->Abandon();
  }
}

void ConnectionSet::ReportIfEmpty() {
  if (!draining_ || !connections_.empty() || empty_ == nullptr) return;
  const auto empty = std::exchange(empty_, nullptr);
  empty();
}

void ConnectionSet::AddTo(HttpStats& stats) const {
  stats.requests += counters_.requests.value();
  for (std::size_t i = 0; i < counters_.responses_by_class.size(); ++i) {
    stats.responses_by_class[i] += counters_.responses_by_class[i].value();
  }
  stats.client_gone += counters_.client_gone.value();
  stats.protocol_errors += counters_.protocol_errors.value();
}

std::string_view ConnectionSet::Compress(Coding coding, std::string_view plain) {
  if (compressed_.capacity() > kKeptCompressed) compressed_ = {};
  compressed_.clear();
  deflater_.Compress(coding, plain, compressed_);
  return compressed_;
}

void ConnectionSet::NewRequestId(std::string& out) {
  // SplitMix64 (Steele, Lea and Flood 2014): every value once, in an order that looks random.
  std::uint64_t z = next_id_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  out.assign("req_");
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[(z >> shift) & 15];
}

}  // namespace muster::server::http
