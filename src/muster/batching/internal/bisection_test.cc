#include "muster/batching/internal/bisection.h"

#include <algorithm>
#include <bit>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace muster::batching {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Found {
  std::set<int> bad, good, rest;
  int runs = 0;
};

// Runs a bisection over n units of which `bad` fail whatever they are run with.
Found Search(int n, const std::set<int>& bad) {
  Bisection bisection(n);
  Found found;
  for (;;) {
    const std::vector<int> next = bisection.Next([](int) { return true; });
    if (next.empty()) break;
    const bool fails = std::ranges::any_of(next, [&](int unit) { return bad.contains(unit); });
    if (!fails) found.good.insert(next.begin(), next.end());
    if (fails && next.size() == 1) found.bad.insert(next[0]);
    bisection.OnRun(!fails);
  }
  for (const int unit : bisection.Rest()) found.rest.insert(unit);
  found.runs = bisection.runs();
  return found;
}

int LogOf(int n) { return static_cast<int>(std::bit_width(static_cast<unsigned>(n - 1))); }

TEST(Bisection, FindsOneBadUnitWhereverItIs) {
  for (int n = 2; n <= 70; ++n) {
    for (int bad = 0; bad < n; ++bad) {
      const Found found = Search(n, {bad});
      ASSERT_THAT(found.bad, ElementsAre(bad)) << n;
      ASSERT_EQ(found.good.size(), static_cast<std::size_t>(n - 1));
      ASSERT_LE(found.runs, 2 * LogOf(n));
    }
  }
}

TEST(Bisection, FindsTwoBadUnitsWhereverTheyAre) {
  for (const int n : {2, 3, 7, 16, 33, 64}) {
    for (int a = 0; a < n; ++a) {
      for (int b = a + 1; b < n; ++b) {
        const Found found = Search(n, {a, b});
        ASSERT_THAT(found.bad, ElementsAre(a, b)) << n;
        ASSERT_THAT(found.rest, IsEmpty());
        ASSERT_LE(found.runs, 4 * LogOf(n));
      }
    }
  }
}

TEST(Bisection, RunsWhatIsLeftOneByOneWhenManyAreBad) {
  std::set<int> all;
  for (int i = 0; i < 64; ++i) all.insert(i);
  const Found found = Search(64, all);
  EXPECT_EQ(found.bad, all);
  EXPECT_LE(found.runs, 2 * 6 * 2 + 64);
}

TEST(Bisection, SettlesEveryUnitExactlyOnceWithAnyBadOnes) {
  for (unsigned mask = 1; mask < 256; ++mask) {
    std::set<int> bad;
    for (int i = 0; i < 8; ++i) {
      if ((mask >> i & 1u) != 0) bad.insert(i);
    }
    const Found found = Search(8, bad);
    EXPECT_EQ(found.bad, bad);
    EXPECT_EQ(found.good.size() + found.bad.size(), 8u);
    EXPECT_THAT(found.rest, IsEmpty());
  }
}

TEST(Bisection, DoesNotRunAHalfThatMustFail) {
  Bisection bisection(4);
  const auto keep = [](int) { return true; };
  EXPECT_THAT(bisection.Next(keep), ElementsAre(0, 1));
  bisection.OnRun(true);
  EXPECT_THAT(bisection.Next(keep), ElementsAre(2)) << "2 and 3 together are known to fail";
}

TEST(Bisection, LeavesOutUnitsThatAreNotKept) {
  Bisection bisection(4);
  EXPECT_THAT(bisection.Next([](int unit) { return unit != 0; }), ElementsAre(1));
  bisection.OnRun(true);
  // 0 may have been the bad one: nothing is known of 2 and 3.
  EXPECT_THAT(bisection.Next([](int) { return true; }), ElementsAre(2, 3));
  bisection.OnRun(true);
  EXPECT_THAT(bisection.Next([](int) { return true; }), IsEmpty());
  EXPECT_THAT(bisection.Rest(), IsEmpty());
}

TEST(Bisection, EndsWhenFailuresCannotBeReproduced) {
  Bisection bisection(8);
  std::set<int> settled;
  for (;;) {
    const std::vector<int> next = bisection.Next([](int) { return true; });
    if (next.empty()) break;
    settled.insert(next.begin(), next.end());
    bisection.OnRun(true);
  }
  EXPECT_EQ(settled.size(), 8u);
}

}  // namespace
}  // namespace muster::batching
