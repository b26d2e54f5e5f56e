#include "muster/batching/internal/queue_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "muster/batching/internal/queue_world.h"

// Queues with one fault each, as other systems have had them, in the worlds of the fuzz test: what
// would not be found there would not be found in the real one either.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t kSeeds = 1000;

template <class Queue>
std::string FirstViolation() {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::optional<std::string> violation = ViolationOf(seed, Make<Queue>);
    if (!violation) continue;
    EXPECT_THAT(*violation, Not(HasSubstr("A replay differs")));
    EXPECT_THAT(*violation, HasSubstr("MUSTER_FUZZ_FIRST=" + std::to_string(seed) + " "));
    return *violation;
  }
  return "none";
}

class Faulty : public QueueUnderTest {
 public:
  Faulty(const QueueOptions& options, const PolicyOptions& policy)
      : QueueUnderTest(options, policy), options_(options), policy_(policy) {}

 protected:
  const QueueOptions options_;
  const PolicyOptions policy_;
};

// --- Wake-ups

class OversleepsByAMillisecond : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    FormedBatch batch = queue_.PopReady(now, wake);
    if (*wake != base::kNever) *wake += 1ms;
    return batch;
  }
  bool HasReady(base::TimePoint now, base::TimePoint* wake) override {
    const bool ready = queue_.HasReady(now, wake);
    if (*wake != base::kNever) *wake += 1ms;
    return ready;
  }
};
TEST(QueueChecker, FindsAWakeThatIsTooLate) {
  EXPECT_THAT(FirstViolation<OversleepsByAMillisecond>(),
              StartsWith("to wake at another time than when the next window ends"));
}

/// Looks the other way after every 32nd request, until the next.
class LosesAWakeUp : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    ++pushes_;
    return queue_.Push(pending, now);
  }
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    return deaf() ? FormedBatch() : queue_.PopReady(now, wake);
  }
  bool HasReady(base::TimePoint now, base::TimePoint* wake) override {
    return !deaf() && queue_.HasReady(now, wake);
  }

 private:
  bool deaf() const { return pushes_ % 32 == 0; }
  int pushes_ = 0;
};
TEST(QueueChecker, FindsALostWakeUp) {
  EXPECT_THAT(FirstViolation<LosesAWakeUp>(), StartsWith("nothing runs though something is ready"));
}

/// The windows of all that waits begin again with every arrival.
class RestartsItsWindow : public Faulty {
 public:
  RestartsItsWindow(QueueOptions options, const PolicyOptions& policy)
      : Faulty((options.refuse_late = false, options), policy) {}
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    std::erase_if(arrivals_, [](const auto& arrival) { return arrival.first->queued == nullptr; });
    // All or none, so that their order stays.
    const bool restart = std::ranges::all_of(
        arrivals_, [&](const auto& arrival) { return Restarts(*arrival.first, now); });
    for (const auto& [waiting, arrival] : arrivals_) {
      if (!restart) break;
      queue_.Remove(waiting->shared_from_this());
      EXPECT_TRUE(queue_.Push(waiting->shared_from_this(), now));
    }
    base::Status pushed = queue_.Push(pending, now);
    if (pushed) arrivals_.emplace_back(pending.get(), pending->arrival);
    return pushed;
  }
  // It still says the truth about who came first.
  base::TimePoint OldestArrival() override {
    base::TimePoint oldest = base::kNever;
    for (const auto& [pending, arrival] : arrivals_) {
      if (pending->queued != nullptr) oldest = std::min(oldest, arrival);
    }
    return oldest;
  }

  void Drain() override {
    drained_ = true;
    queue_.Drain();
  }

 private:
  // Whether it would be accepted again; what is larger than the whole queue would not.
  bool Restarts(const Pending& pending, base::TimePoint now) const {
    const WorkItem& item = pending.item;
    return !drained_ && pending.taken == 0 && !item.cancelled.stop_requested() &&
           item.deadline > now + 1ms && queue_.waiting_rows() <= options_.max_rows &&
           queue_.waiting_bytes() <= options_.max_bytes;
  }

  std::vector<std::pair<Pending*, base::TimePoint>> arrivals_;  // the world keeps them
  bool drained_ = false;
};
TEST(QueueChecker, FindsAWindowThatEveryArrivalRestarts) {
  EXPECT_THAT(FirstViolation<RestartsItsWindow>(),
              AnyOf(StartsWith("to wake at another time than when the next window ends"),
                    StartsWith("nothing runs though something is ready")));
}

/// Nothing runs before the oldest may.
class BlocksBehindTheOldest : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    return Blocked(now, wake) ? FormedBatch() : queue_.PopReady(now, wake);
  }
  bool HasReady(base::TimePoint now, base::TimePoint* wake) override {
    return !Blocked(now, wake) && queue_.HasReady(now, wake);
  }

 private:
  bool Blocked(base::TimePoint now, base::TimePoint* wake) {
    if (policy_.kind != PolicyKind::kWindow || queue_.waiting_requests() == 0) return false;
    *wake = queue_.OldestArrival() + policy_.max_wait;
    return *wake > now;
  }
};
TEST(QueueChecker, FindsABucketThatBlocksAnother) {
  EXPECT_THAT(FirstViolation<BlocksBehindTheOldest>(),
              StartsWith("nothing runs though something is ready"));
}

// --- Who runs, and with whom

/// A batch takes along what expired just now.
class RunsTheExpired : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    std::vector<PendingPtr> expired = queue_.RemoveDead(now);
    FormedBatch batch = queue_.PopReady(now, wake);
    for (PendingPtr& pending : expired) {
      if (!batch) {
        dead_.push_back(std::move(pending));
        continue;
      }
      batch.rows += pending->untaken();
      batch.slices.push_back({pending, pending->taken, pending->untaken()});
    }
    return batch;
  }
  std::vector<PendingPtr> RemoveDead(base::TimePoint now) override {
    std::vector<PendingPtr> dead = queue_.RemoveDead(now);
    dead.insert(dead.end(), dead_.begin(), dead_.end());
    dead_.clear();
    return dead;
  }
  base::TimePoint NextDeadline() override {
    return dead_.empty() ? queue_.NextDeadline() : base::TimePoint::min();
  }

 private:
  std::vector<PendingPtr> dead_;
};
TEST(QueueChecker, FindsAnExpiredRowThatRuns) {
  EXPECT_THAT(FirstViolation<RunsTheExpired>(), StartsWith("an expired row runs"));
}

class RunsTheCancelled : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    base::Status pushed = queue_.Push(pending, now);
    if (pushed) pending->item.cancelled = {};
    return pushed;
  }
};
TEST(QueueChecker, FindsACancelledRowThatRuns) {
  EXPECT_THAT(FirstViolation<RunsTheCancelled>(), StartsWith("a cancelled row runs"));
}

/// The last rows of a batch are in it twice.
class RunsTwice : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    FormedBatch batch = queue_.PopReady(now, wake);
    if (!batch) return batch;
    batch.rows += batch.slices.back().rows;
    batch.slices.push_back(Slice(batch.slices.back()));
    return batch;
  }
};
TEST(QueueChecker, FindsARowThatRunsTwice) {
  EXPECT_THAT(FirstViolation<RunsTwice>(), StartsWith("a row runs twice, or never"));
}

/// What has been answered is run again, in a later batch.
class AnswersAgain : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    FormedBatch batch = queue_.PopReady(now, wake);
    if (!batch) return batch;
    const Slice first = batch.slices.front();
    if (before_.pending != nullptr) batch.slices.push_back(before_), batch.rows += before_.rows;
    before_ = first;
    return batch;
  }

 private:
  Slice before_;
};
TEST(QueueChecker, FindsARequestThatIsAnsweredAgain) {
  EXPECT_THAT(FirstViolation<AnswersAgain>(), AnyOf(StartsWith("a row runs that was not waiting"),
                                                    StartsWith("a row runs twice, or never")));
}

class TakesTheNewestFirst : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    pending->item.priority = ++pushes_;
    return queue_.Push(pending, now);
  }

 private:
  int pushes_ = 1000;
};
TEST(QueueChecker, FindsNewestFirst) {
  EXPECT_THAT(FirstViolation<TakesTheNewestFirst>(),
              AnyOf(StartsWith("one is overtaken by others of its bucket"),
                    StartsWith("another bucket's turn was before"),
                    StartsWith("rows of a batch are out of order")));
}

/// Two batches in one, if their shapes differ.
class MixesShapes : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    if (kept_) return std::exchange(kept_, {});
    FormedBatch batch = queue_.PopReady(now, wake);
    FormedBatch next = queue_.PopReady(now, wake);
    if (!next) return batch;
    const auto width = [](const FormedBatch& b) {
      return b.slices.front().pending->item.inputs[0].shape()[1];
    };
    if (width(batch) == width(next)) {
      kept_ = std::move(next);
      return batch;
    }
    batch.rows += next.rows;
    for (Slice& slice : next.slices) batch.slices.push_back(std::move(slice));
    return batch;
  }

 private:
  FormedBatch kept_;
};
TEST(QueueChecker, FindsTwoShapesInABatch) {
  EXPECT_THAT(FirstViolation<MixesShapes>(),
              AnyOf(StartsWith("two shapes in a batch"), StartsWith("HasReady and PopReady"),
                    StartsWith("waiting_rows has drifted")));
}

class IsolatesNobody : public Faulty {
 public:
  using Faulty::Faulty;
  void IsolateClient(const std::string&, base::TimePoint) override {}
};
TEST(QueueChecker, FindsAnIsolatedClientBesideOthers) {
  EXPECT_THAT(FirstViolation<IsolatesNobody>(),
              StartsWith("an isolated client's row runs beside others"));
}

/// Gives the latest request up beside every batch.
class GivesUpOnAWhim : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    base::Status pushed = queue_.Push(pending, now);
    if (pushed) latest_ = pending;
    return pushed;
  }
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    FormedBatch batch = queue_.PopReady(now, wake);
    if (batch && latest_ != nullptr && queue_.Remove(latest_)) given_up_ = std::move(latest_);
    latest_ = nullptr;
    return batch;
  }
  std::vector<PendingPtr> RemoveDead(base::TimePoint now) override {
    std::vector<PendingPtr> dead = queue_.RemoveDead(now);
    if (given_up_ == nullptr) return dead;
    given_up_->given_up = true;
    dead.push_back(std::move(given_up_));
    return dead;
  }
  base::TimePoint NextDeadline() override {
    return given_up_ == nullptr ? queue_.NextDeadline() : base::TimePoint::min();
  }

 private:
  PendingPtr latest_, given_up_;
};
TEST(QueueChecker, FindsARequestThatIsGivenUpForNothing) {
  EXPECT_THAT(FirstViolation<GivesUpOnAWhim>(),
              AnyOf(StartsWith("given up though it could not be late"),
                    StartsWith("given up without an explicit deadline")));
}

// --- Figures and refusals

class CountsWhatItRefused : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    base::Status pushed = queue_.Push(pending, now);
    if (!pushed) drift_ += pending->item.rows;
    return pushed;
  }
  std::int64_t waiting_rows() override { return queue_.waiting_rows() + drift_; }

 private:
  std::int64_t drift_ = 0;
};
TEST(QueueChecker, FindsACounterThatDriftsWithRefusals) {
  EXPECT_THAT(FirstViolation<CountsWhatItRefused>(), StartsWith("waiting_rows has drifted"));
}

class ForgetsARequest : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    base::Status pushed = queue_.Push(pending, now);
    if (pushed && ++pushes_ % 64 == 0) queue_.Remove(pending);
    return pushed;
  }

 private:
  int pushes_ = 0;
};
TEST(QueueChecker, FindsARequestThatIsForgotten) {
  EXPECT_THAT(FirstViolation<ForgetsARequest>(),
              AnyOf(StartsWith("waiting_rows has drifted"),
                    StartsWith("nothing runs though something is ready"),
                    StartsWith("one is overtaken by others of its bucket")));
}

class ReportsOneDeadAtATime : public Faulty {
 public:
  using Faulty::Faulty;
  std::vector<PendingPtr> RemoveDead(base::TimePoint now) override {
    std::vector<PendingPtr> dead = queue_.RemoveDead(now);
    if (dead.size() > 1) dead.resize(1);
    return dead;
  }
};
TEST(QueueChecker, FindsADeadRequestThatNobodyIsToldOf) {
  EXPECT_THAT(FirstViolation<ReportsOneDeadAtATime>(),
              AnyOf(StartsWith("the dead are not those that have expired"),
                    StartsWith("an expired request is not among the dead"),
                    StartsWith("waiting_rows has drifted")));
}

class IsOverloadedWhileIdle : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    if (queue_.waiting_requests() > 0 || queue_.EfficientRows(now) == 0) {
      return queue_.Push(pending, now);
    }
    base::Error error = base::Unavailable("overloaded", "OVERLOADED");
    error.retry_after = 1ms;
    return error;
  }
};
TEST(QueueChecker, FindsARefusalThatKeepsTheQueueFromLearning) {
  EXPECT_THAT(FirstViolation<IsOverloadedWhileIdle>(),
              StartsWith("OVERLOADED though nothing waits and an instance is free"));
}

class SaysRetryAtOnce : public Faulty {
 public:
  using Faulty::Faulty;
  base::Status Push(const PendingPtr& pending, base::TimePoint now) override {
    base::Status pushed = queue_.Push(pending, now);
    if (pushed) return pushed;
    base::Error error = pushed.error();
    error.retry_after = 0ms;
    return error;
  }
};
TEST(QueueChecker, FindsARetryWithoutDelay) {
  EXPECT_THAT(FirstViolation<SaysRetryAtOnce>(), StartsWith("retry at once"));
}

class HasNoLoad : public Faulty {
 public:
  using Faulty::Faulty;
  double OfferedLoad(base::TimePoint) override { return std::numeric_limits<double>::quiet_NaN(); }
};
TEST(QueueChecker, FindsALoadThatIsNoNumber) {
  EXPECT_THAT(FirstViolation<HasNoLoad>(), StartsWith("the offered load is no load"));
}

class KeepsWhatItHasGiven : public Faulty {
 public:
  using Faulty::Faulty;
  FormedBatch PopReady(base::TimePoint now, base::TimePoint* wake) override {
    FormedBatch batch = queue_.PopReady(now, wake);
    if (batch) kept_ = batch;
    return batch;
  }

 private:
  FormedBatch kept_;
};
TEST(QueueChecker, FindsAnEndedRequestThatIsKept) {
  EXPECT_THAT(FirstViolation<KeepsWhatItHasGiven>(), StartsWith("an ended request is kept"));
}

class DoesNotDrain : public Faulty {
 public:
  using Faulty::Faulty;
  void Drain() override {}
};
TEST(QueueChecker, FindsAQueueThatDoesNotDrain) {
  EXPECT_THAT(
      FirstViolation<DoesNotDrain>(),
      AnyOf(StartsWith("accepted what must be refused"), StartsWith("refused for another reason"),
            StartsWith("nothing runs though something is ready")));
}

}  // namespace
}  // namespace muster::batching
