#include "muster/server/http/timer_heap.h"

#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace muster::server::http {
namespace {

using namespace std::chrono_literals;
constexpr base::TimePoint kStart(1s);

TEST(TimerHeap, FiresInOrderOfTimeThenOfAdding) {
  TimerHeap heap;
  std::vector<int> fired;
  heap.Add(kStart + 2ms, [&] { fired.push_back(3); });
  heap.Add(kStart + 1ms, [&] { fired.push_back(1); });
  heap.Add(kStart + 1ms, [&] { fired.push_back(2); });
  EXPECT_EQ(heap.next(), kStart + 1ms);
  TimerHeap::Task task;
  EXPECT_FALSE(heap.PopDue(kStart, task));
  while (heap.PopDue(kStart + 2ms, task)) task();
  EXPECT_EQ(fired, (std::vector{1, 2, 3}));
  EXPECT_EQ(heap.next(), base::kNever);
}

TEST(TimerHeap, ForgetsCancelledTimersAndIgnoresOldIds) {
  TimerHeap heap;
  const auto first = heap.Add(kStart, [] { FAIL(); });
  heap.Cancel(first);
  EXPECT_TRUE(heap.empty());
  bool fired = false;
  heap.Add(kStart, [&] { fired = true; });  // in the same slot
  heap.Cancel(first);
  heap.Cancel(0);
  TimerHeap::Task task;
  ASSERT_TRUE(heap.PopDue(kStart, task));
  task();
  EXPECT_TRUE(fired);
}

TEST(TimerHeap, AgreesWithASortedMap) {
  TimerHeap heap;
  std::multimap<base::TimePoint, TimerHeap::TimerId> expected;
  std::mt19937 random(5);
  int fired = 0;
  for (int round = 0; round < 20'000; ++round) {
    const base::TimePoint when = kStart + std::chrono::milliseconds(random() % 1000);
    if (random() % 3 != 0) {
      expected.emplace(when, heap.Add(when, [&] { ++fired; }));
    } else if (!expected.empty() && random() % 2 == 0) {
      const auto it =
          std::next(expected.begin(), static_cast<std::ptrdiff_t>(random() % expected.size()));
      heap.Cancel(it->second);
      expected.erase(it);
    } else if (!expected.empty()) {
      ASSERT_EQ(heap.next(), expected.begin()->first);
      TimerHeap::Task task;
      ASSERT_TRUE(heap.PopDue(heap.next(), task));
      expected.erase(expected.begin());
    }
    if (expected.size() > 50) {
      heap.Cancel(expected.rbegin()->second);
      expected.erase(std::prev(expected.end()));
    }
    ASSERT_EQ(heap.empty(), expected.empty());
  }
}

}  // namespace
}  // namespace muster::server::http
