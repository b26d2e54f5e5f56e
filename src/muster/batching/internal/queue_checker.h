#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "muster/batching/internal/bucket.h"
#include "muster/batching/internal/pending.h"
#include "muster/batching/internal/queue_under_test.h"

namespace muster::batching {

/// Passes calls on to a queue and holds all that it says and does against its contract: against a
/// list of what should wait, and against rules where the queue is free to choose. Keeps the first
/// violation; nothing after it means anything.
class QueueChecker {
 public:
  /// A request that should have rows in the queue. Copies, so that a queue that meddles with the
  /// request is found out.
  struct Entry {
    PendingPtr pending;
    std::int64_t width, rows, taken;
    OrderKey key;
    base::TimePoint deadline, arrival;
    base::CancelToken cancelled;
    bool alone;                                // its client is isolated
    std::shared_ptr<LatencyCurve> curve = {};  // of its bucket
    std::int64_t untaken() const { return rows - taken; }
    bool live() const { return !cancelled.stop_requested(); }
  };

  /// How often what has been seen: rules about what never happens prove nothing.
  struct Tally {
    std::int64_t batches = 0, split = 0, given_up = 0, dropped = 0, expired = 0, overloaded = 0,
                 full = 0, waits = 0, isolated = 0, larger_than_bound = 0;
  };
  static constexpr std::int64_t Tally::* kFigures[] = {
      &Tally::batches,          &Tally::split,   &Tally::given_up,
      &Tally::dropped,          &Tally::expired, &Tally::full,
      &Tally::overloaded,       &Tally::waits,   &Tally::isolated,
      &Tally::larger_than_bound};

  QueueChecker(QueueUnderTest& queue, const QueueOptions& options, const PolicyOptions& policy)
      : queue_(queue), options_(options), policy_(policy) {
    const bool unset = policy.kind == PolicyKind::kAimd && policy.max_wait.count() == 0;
    window_ = unset ? base::Duration(std::chrono::milliseconds(100)) : policy.max_wait;
  }

  const std::optional<std::string>& violation() const { return violation_; }
  const Tally& tally() const { return tally_; }
  const std::vector<Entry>& waiting() const { return waiting_; }

  void Push(const PendingPtr& pending, base::TimePoint now);
  /// Takes the dead at once, so that it is known who they are.
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake);
  void RemoveDead(base::TimePoint now);
  /// False if it has no rows in the queue.
  bool Remove(const PendingPtr& pending);
  void IsolateClient(const std::string& client, base::TimePoint now);
  void EndRun(std::uint64_t batch, std::optional<base::Duration> took, base::TimePoint now);
  void Drain();
  void CheckFigures();
  void CheckLearned(base::TimePoint now);
  /// After the last: nothing is left anywhere.
  void CheckEmpty();
  /// The queue holds on to none of these, nor does anybody but their owner in `all`.
  void CheckReleased(const std::vector<PendingPtr>& all);

 private:
  struct Popped {  // what a call of PopReady did beside the batch
    std::vector<Entry> given_up;
    bool dropped = false;  // some were found cancelled
  };

  void Require(bool holds, const char* rule) {
    if (!holds && !violation_) violation_ = rule;
  }
  void Tell(base::TimePoint now) { told_ = std::max(told_, now); }
  void Expire();
  Entry EntryOf(const PendingPtr& pending) const;
  const char* Expected(const Pending& pending) const;
  void CheckRefusal(const Pending& pending, const base::Error& error, const char* expected);
  bool Isolated(const std::string& client) const {
    const auto found = isolated_.find(client);
    return found != isolated_.end() && found->second > told_;
  }
  static bool Together(const Entry& a, const Entry& b) {
    return a.width == b.width && a.alone == b.alone &&
           (!a.alone || a.pending->item.client == b.pending->item.client);
  }
  Entry* Find(const Pending* pending);
  std::int64_t rows() const;
  std::size_t bytes() const;

  enum class Count { kLive, kAll };
  bool Due(const Entry& of, Count count) const;
  base::TimePoint NextWindow() const;
  bool AllRunnable(base::TimePoint now) const;
  Popped CollectAfterPop(base::TimePoint now);
  bool MayBeLate(const Entry& entry) const;
  void CheckAlive(const FormedBatch& batch);
  void CheckNothingReady(const Popped& popped, base::TimePoint wake);
  void CheckBatch(const FormedBatch& batch, const Popped& popped);
  void CheckSlices(const FormedBatch& batch);
  void CheckTurn(const FormedBatch& batch, const Popped& popped);
  void Take(const FormedBatch& batch);

  QueueUnderTest& queue_;
  const QueueOptions options_;
  const PolicyOptions policy_;
  base::Duration window_{0};

  base::TimePoint told_ = base::TimePoint::min();
  std::uint64_t next_sequence_ = 0;
  std::vector<Entry> waiting_;       // by arrival
  std::vector<PendingPtr> expired_;  // not yet claimed
  std::map<std::string, base::TimePoint> isolated_;
  std::uint64_t last_batch_ = 0;
  int under_way_ = 0;
  bool ended_ = false;  // some run has taught something
  bool draining_ = false;
  Tally tally_;
  std::optional<std::string> violation_;
};

}  // namespace muster::batching
