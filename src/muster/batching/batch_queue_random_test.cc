#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <vector>

#include "muster/batching/batch_queue.h"
#include "muster/batching/internal/queue_test_support.h"

// Thousands of random histories of a queue, each step held against a reference so naive that it is
// evidently right: one list, searched from end to end.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

struct Entry {
  PendingPtr pending;
  base::TimePoint arrival;
  std::int64_t taken = 0;
  std::int64_t untaken() const { return pending->item.rows - taken; }
};

struct Batch {
  std::vector<std::pair<const Pending*, std::pair<std::int64_t, std::int64_t>>> slices;
  friend bool operator==(const Batch&, const Batch&) = default;
};

class NaiveQueue {
 public:
  NaiveQueue(QueueOptions options, PolicyOptions policy)
      : options_(options), policy_(MakePolicy(policy)) {}

  bool Push(const PendingPtr& pending, base::TimePoint now) {
    std::vector<PendingPtr> expired = RemoveExpired(now);
    unclaimed_.insert(unclaimed_.end(), expired.begin(), expired.end());
    if (pending->item.cancelled.stop_requested() || pending->item.deadline <= now) return false;
    if (!entries_.empty() && (rows() + pending->item.rows > options_.max_rows ||
                              bytes() + pending->bytes > options_.max_bytes)) {
      return false;
    }
    entries_.push_back({pending, now});
    return true;
  }

  Batch Pop(base::TimePoint now, base::TimePoint* wake) {
    std::vector<PendingPtr> expired = RemoveExpired(now);
    unclaimed_.insert(unclaimed_.end(), expired.begin(), expired.end());
    *wake = base::kNever;
    std::set<std::int64_t> waiting_widths;
    for (;;) {
      Entry* head = Head(waiting_widths);
      if (head == nullptr) return {};
      const std::int64_t width = WidthOf(*head);
      const Decision decision = policy_->Decide(View(width, *head, now));
      if (decision.rows == 0) {
        *wake = std::min(*wake, decision.wake);
        waiting_widths.insert(width);
      } else if (head->pending->item.cancelled.stop_requested()) {
        Drop(head->pending.get());  // and see who is next then
      } else {
        return Take(width, decision.rows);
      }
    }
  }

  void Remove(const Pending* pending) {
    std::erase_if(entries_, [=](const Entry& e) { return e.pending.get() == pending; });
  }
  std::set<PendingPtr> ClaimDead(base::TimePoint now) {
    std::vector<PendingPtr> expired = RemoveExpired(now);
    unclaimed_.insert(unclaimed_.end(), expired.begin(), expired.end());
    std::set<PendingPtr> dead(unclaimed_.begin(), unclaimed_.end());
    unclaimed_.clear();
    return dead;
  }
  base::TimePoint NextDeadline() const {
    if (!unclaimed_.empty()) return base::TimePoint::min();
    base::TimePoint next = base::kNever;
    for (const Entry& e : entries_) next = std::min(next, e.pending->item.deadline);
    return next;
  }
  std::int64_t rows() const {
    std::int64_t sum = 0;
    for (const Entry& e : entries_) sum += e.untaken();
    return sum;
  }
  std::size_t bytes() const {  // of FP32
    std::size_t sum = 0;
    for (const Entry& e : entries_) sum += static_cast<std::size_t>(e.untaken() * WidthOf(e)) * 4;
    return sum;
  }
  base::TimePoint OldestArrival() const {
    base::TimePoint oldest = base::kNever;
    for (const Entry& e : entries_) oldest = std::min(oldest, e.arrival);
    return oldest;
  }
  std::int64_t requests() const { return static_cast<std::int64_t>(entries_.size()); }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static std::int64_t WidthOf(const Entry& e) { return e.pending->item.inputs[0].shape()[1]; }

  static bool Before(const Entry& a, const Entry& b) {
    const WorkItem& x = a.pending->item;
    const WorkItem& y = b.pending->item;
    if (x.priority != y.priority) return x.priority > y.priority;
    const auto explicit_deadline = [](const WorkItem& i) {
      return i.deadline_is_explicit ? i.deadline : base::kNever;
    };
    return explicit_deadline(x) < explicit_deadline(y);  // else the list's order: arrival
  }

  // The first in order among the widths that are not in `except`, or of width `only`.
  Entry* Head(const std::set<std::int64_t>& except, std::int64_t only = 0) {
    Entry* head = nullptr;
    for (Entry& e : entries_) {
      if (except.contains(WidthOf(e)) || (only != 0 && WidthOf(e) != only)) continue;
      if (head == nullptr || Before(e, *head)) head = &e;
    }
    return head;
  }

  BucketView View(std::int64_t width, const Entry& head, base::TimePoint now) const {
    BucketView view{.now = now,
                    .head_rows = head.untaken(),
                    .efficient_rows = 1 << 20,  // no run has ended: nothing is learned
                    .oldest_arrival = base::kNever};
    for (const Entry& e : entries_) {
      if (WidthOf(e) != width) continue;
      view.waiting_rows += e.untaken();
      view.oldest_arrival = std::min(view.oldest_arrival, e.arrival);
    }
    return view;
  }

  Batch Take(std::int64_t width, std::int64_t rows) {
    Batch batch;
    while (rows > 0) {
      Entry* head = Head({}, width);
      if (head == nullptr) break;
      if (head->pending->item.cancelled.stop_requested()) {
        Drop(head->pending.get());
        continue;
      }
      const std::int64_t count = std::min(rows, head->untaken());
      batch.slices.push_back({head->pending.get(), {head->taken, count}});
      head->taken += count;
      rows -= count;
      if (head->untaken() == 0) Remove(head->pending.get());
    }
    return batch;
  }

  void Drop(const Pending* pending) {
    for (const Entry& e : entries_) {
      if (e.pending.get() == pending) unclaimed_.push_back(e.pending);
    }
    Remove(pending);
  }

  std::vector<PendingPtr> RemoveExpired(base::TimePoint now) {
    std::vector<PendingPtr> expired;
    for (const Entry& e : entries_) {
      if (e.pending->item.deadline <= now) expired.push_back(e.pending);
    }
    for (const PendingPtr& pending : expired) Remove(pending.get());
    return expired;
  }

  QueueOptions options_;
  std::unique_ptr<Policy> policy_;
  std::vector<Entry> entries_;  // by arrival
  std::vector<PendingPtr> unclaimed_;
};

/// One history: the same events to both queues, everything visible compared after each.
class History {
 public:
  History(std::uint64_t seed, PolicyOptions policy)
      : random_(seed), queue_(kOptions, MakePolicy(policy)), naive_(kOptions, policy) {}

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      now_ += std::chrono::microseconds(Pick(400));
      switch (Pick(8)) {
        case 0:
        case 1:
        case 2:
          Push();
          break;
        case 3:
        case 4:
          Pop();
          break;
        case 5:
          Cancel(/*remove=*/true);
          break;
        case 6:
          Cancel(/*remove=*/false);
          break;
        default:
          ClaimDead();
          break;
      }
      CompareFigures();
    }
  }

 private:
  static constexpr QueueOptions kOptions{.max_rows = 24, .max_bytes = 200};

  std::int64_t Pick(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
  }

  void Push() {
    RequestOptions options{.rows = 1 + Pick(Pick(10) == 0 ? 30 : 4),
                           .priority = static_cast<int>(Pick(3)),
                           .deadline_is_explicit = Pick(2) == 0,
                           .width = 1 + Pick(3)};
    if (Pick(2) == 0) options.deadline = now_ + std::chrono::microseconds(Pick(5000) - 50);
    sources_.emplace_back();
    options.cancelled = sources_.back().get_token();
    const PendingPtr pending = Request(options);
    const bool accepted = queue_.Push(pending, now_).has_value();
    ASSERT_EQ(accepted, naive_.Push(pending, now_));
    tokens_[pending.get()] = sources_.size() - 1;
    all_.push_back(pending);  // so that no address is used twice
  }

  void Pop() {
    base::TimePoint wake = base::kNever, naive_wake = base::kNever;
    const FormedBatch formed = queue_.PopReady(now_, &wake);
    Batch batch;
    std::int64_t rows = 0;
    for (const Slice& slice : formed.slices) {
      batch.slices.push_back({slice.pending.get(), {slice.first_row, slice.rows}});
      rows += slice.rows;
      ASSERT_FALSE(slice.pending->item.cancelled.stop_requested());
      ASSERT_GT(slice.pending->item.deadline, now_);
    }
    ASSERT_EQ(rows, formed.rows);
    ASSERT_EQ(batch, naive_.Pop(now_, &naive_wake));
    if (!formed) {
      ASSERT_EQ(wake, naive_wake);
    }
  }

  void Cancel(bool remove) {
    if (naive_.entries().empty()) return;
    const auto victim = static_cast<std::size_t>(Pick(naive_.requests()));
    const PendingPtr pending = naive_.entries()[victim].pending;
    sources_[tokens_[pending.get()]].request_stop();
    if (!remove) return;  // the batcher may hear of it later than the queue sees it
    ASSERT_TRUE(queue_.Remove(pending));
    ASSERT_FALSE(queue_.Remove(pending));
    naive_.Remove(pending.get());
  }

  void ClaimDead() {
    const std::vector<PendingPtr> dead = queue_.RemoveDead(now_);
    const std::set<PendingPtr> unique(dead.begin(), dead.end());
    ASSERT_EQ(unique.size(), dead.size());
    ASSERT_EQ(unique, naive_.ClaimDead(now_));
  }

  void CompareFigures() {
    ASSERT_EQ(queue_.waiting_rows(), naive_.rows());
    ASSERT_EQ(queue_.waiting_requests(), naive_.requests());
    ASSERT_EQ(queue_.waiting_bytes(), naive_.bytes());
    ASSERT_EQ(queue_.OldestArrival(), naive_.OldestArrival());
    ASSERT_EQ(queue_.NextDeadline(), naive_.NextDeadline());
  }

  std::mt19937_64 random_;
  base::TimePoint now_ = kStart;
  BatchQueue queue_;
  NaiveQueue naive_;
  std::vector<base::CancelSource> sources_;
  std::map<const Pending*, std::size_t> tokens_;
  std::vector<PendingPtr> all_;
};

void RunHistories(PolicyOptions policy) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    History(seed, policy).Run(250);
    if (::testing::Test::HasFailure()) FAIL() << "with seed " << seed;
  }
}

TEST(BatchQueue, AgreesWithANaiveQueueUnderPolicyAdaptive) {
  RunHistories({.kind = PolicyKind::kAdaptive, .max_batch_size = 6});
}
TEST(BatchQueue, AgreesWithANaiveQueueUnderPolicyWindow) {
  RunHistories({.kind = PolicyKind::kWindow, .max_batch_size = 6, .max_wait = 1500us});
}
TEST(BatchQueue, AgreesWithANaiveQueueUnderPolicyNone) {
  RunHistories({.kind = PolicyKind::kNone, .max_batch_size = 4});
}

}  // namespace
}  // namespace muster::batching
