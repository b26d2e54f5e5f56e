#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "muster/batching/batcher.h"
#include "muster/batching/device.h"
#include "muster/batching/internal/batcher_test_support.h"

// Everything at once on real threads and the real clock: submitters with loops of their own, rows
// that fail, deadlines, cancelling from other threads, two batchers on one device, snapshots and a
// shutdown in the middle. Whatever happens to a request, it happens once. Meant for TSan and ASan.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

constexpr float kBad = -999;

class Stress {
 public:
  /// Where requests are submitted: from any thread, or in turns of their loops, which then run
  /// batches themselves.
  enum class From { kAnywhere, kTurns };

  explicit Stress(PolicyKind policy, From from = From::kAnywhere) : from_(from) {
    model::FakeModelOptions options;
    options.completes_inline = true;
    options.fault = [](std::span<const float> x, std::int64_t) {
      return std::find(x.begin(), x.end(), kBad) == x.end() ? base::Status()
                                                            : base::InvalidArgument("bad row");
    };
    BatcherOptions batcher;
    batcher.instances = 2;
    batcher.max_queue_rows = 64;
    batcher.policy = {.kind = policy, .max_batch_size = 8, .max_wait = 200us};
    for (std::size_t i = 0; i < 2; ++i) {
      models_[i] = std::make_unique<model::FakeModel>(options);
      batchers_[i] =
          Batcher::Create(*models_[i], {Bench::Rows({0.5f})}, batcher, *device_, base::RealClock())
              .value();
    }
  }

  void Run(int threads, int requests_each) {
    std::atomic<bool> over{false};
    std::jthread watcher([&] {
      while (!over) {
        const BatcherSnapshot s = batchers_[0]->Snapshot();
        ASSERT_LE(
            s.requests_answered + s.requests_refused + s.requests_expired + s.requests_cancelled,
            s.requests);
        ASSERT_GE(s.waiting_rows, 0);
        ASSERT_GE(s.running_rows, 0);
        std::this_thread::yield();
      }
    });
    {
      std::vector<std::jthread> submitters;
      for (int t = 0; t < threads; ++t) {
        submitters.emplace_back([=, this] { Submitter(static_cast<unsigned>(t), requests_each); });
      }
    }
    over = true;
    watcher.join();
    for (const auto& batcher : batchers_) {
      batcher->Drain();
      const BatcherSnapshot s = batcher->Snapshot();
      EXPECT_EQ(
          s.requests_answered + s.requests_refused + s.requests_expired + s.requests_cancelled,
          s.requests);
      EXPECT_EQ(s.waiting_rows, 0);
      EXPECT_EQ(s.waiting_requests, 0);
      EXPECT_EQ(s.running_rows, 0);
      EXPECT_EQ(s.running, 0);
      EXPECT_EQ(s.batch_rows.count, s.runs);
      if (from_ == From::kAnywhere) {
        EXPECT_EQ(s.caller_runs, 0u);
      }
    }
  }

 private:
  struct Request {
    std::vector<float> values;
    int answers = 0;
    base::CancelSource cancel;
  };

  // Keeps a few requests in flight, cancels some from here while executors finish them.
  void Submitter(unsigned seed, int requests) {
    std::mt19937 random(seed);
    base::FakeLoop loop(base::RealClock());
    int in_flight = 0;
    std::vector<std::unique_ptr<Request>> all;
    for (int i = 0; i < requests; ++i) {
      all.push_back(std::make_unique<Request>());
      Request& request = *all.back();
      request.values.resize(1 + random() % 12);
      for (float& v : request.values)
        v = random() % 50 == 0 ? kBad : static_cast<float>(random() % 100);
      ++in_flight;
      Submit(*batchers_[random() % 2], MakeItem(request, random, loop, in_flight));
      if (random() % 8 == 0) all[random() % all.size()]->cancel.request_stop();
      while (in_flight > 6) loop.AwaitAndRun();
      loop.RunUntilIdle();
    }
    while (in_flight > 0) loop.AwaitAndRun();
    for (const auto& request : all) ASSERT_EQ(request->answers, 1);
  }

  void Submit(Batcher& batcher, WorkItem item) {
    if (from_ == From::kAnywhere) return batcher.Submit(std::move(item));
    base::Loop& home = *item.home;
    home.Post([&batcher, item = std::make_unique<WorkItem>(std::move(item))] {
      batcher.Submit(std::move(*item));
    });
  }

  static WorkItem MakeItem(Request& request, std::mt19937& random, base::FakeLoop& loop,
                           int& in_flight) {
    WorkItem item;
    item.inputs = {Bench::Rows(request.values)};
    item.rows = static_cast<std::int64_t>(request.values.size());
    item.isolation = random() % 2 == 0 ? Isolation::kRow : Isolation::kRequest;
    item.priority = static_cast<int>(random() % 3);
    if (random() % 3 == 0) {
      item.deadline = base::RealClock().Now() + std::chrono::microseconds(random() % 2000);
      item.deadline_is_explicit = random() % 2 == 0;
    }
    item.client = random() % 2 == 0 ? "" : "client " + std::to_string(random() % 3);
    item.cancelled = request.cancel.get_token();
    item.home = &loop;
    item.done = [&request, &in_flight](base::Result<WorkResult> result) {
      ++request.answers;
      --in_flight;
      if (result) Check(request, *result);
    };
    return item;
  }

  // Every row in exactly one part or error, values right, times consistent.
  static void Check(const Request& request, const WorkResult& result) {
    std::vector<int> seen(request.values.size());
    for (const WorkPart& part : result.parts) {
      const auto y = part.outputs[0].data<const float>();
      for (std::int64_t i = 0; i < part.rows; ++i) {
        const auto row = static_cast<std::size_t>(part.first_row + i);
        ++seen[row];
        ASSERT_EQ(y[static_cast<std::size_t>(i)], 2 * request.values[row]);
      }
    }
    for (const RowError& error : result.errors) ++seen[static_cast<std::size_t>(error.row)];
    for (const int count : seen) ASSERT_EQ(count, 1);
    base::Duration sum{0};
    for (const base::Duration share : result.row_shares) sum += share;
    ASSERT_LE(sum, result.inference);
    ASSERT_GE(result.queue, base::Duration(0));
  }

  const From from_;
  std::unique_ptr<Device> device_ = MakeFairDevice(2, 100us);
  std::unique_ptr<model::FakeModel> models_[2];
  std::unique_ptr<Batcher> batchers_[2];
};

TEST(BatcherStress, AdaptiveSettlesEveryRequestOnce) { Stress(PolicyKind::kAdaptive).Run(4, 1000); }
TEST(BatcherStress, WindowSettlesEveryRequestOnce) { Stress(PolicyKind::kWindow).Run(4, 1000); }
TEST(BatcherStress, LoopsThatRunBatchesThemselvesSettleEveryRequestOnce) {
  for (const PolicyKind policy : {PolicyKind::kAdaptive, PolicyKind::kWindow, PolicyKind::kNone}) {
    Stress(policy, Stress::From::kTurns).Run(4, 1000);
  }
}
TEST(BatcherStress, NoneSettlesEveryRequestOnce) { Stress(PolicyKind::kNone).Run(4, 1000); }

}  // namespace
}  // namespace muster::batching
