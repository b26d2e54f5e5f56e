#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <span>
#include <string>

#include "muster/batching/internal/latency_curve.h"
#include "muster/batching/internal/queue_world.h"

// Thousands of random worlds around the queue, with all that it learns; what must hold is in
// internal/queue_checker.cc. MUSTER_FUZZ_SEEDS is how many, from MUSTER_FUZZ_FIRST on.

namespace muster::batching {
namespace {

using namespace std::chrono_literals;

std::uint64_t Environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(QueueFuzz, KeepsItsPromisesInEveryWorld) {
  const std::uint64_t first = Environment("MUSTER_FUZZ_FIRST", 1);
  const std::uint64_t seeds = Environment("MUSTER_FUZZ_SEEDS", 10'000);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const std::optional<std::string> violation = ViolationOf(seed, Make<QueueUnderTest>);
    ASSERT_FALSE(violation) << "seed " << seed << ": " << *violation;
  }
}

TEST(QueueFuzz, SeesAllThatMayHappen) {
  QueueChecker::Tally seen;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    QueueWorld world(seed, Make<QueueUnderTest>);
    ASSERT_FALSE(world.Run());
    const QueueChecker::Tally& tally = world.tally();
    for (auto figure : QueueChecker::kFigures) seen.*figure += tally.*figure;
  }
  const auto figures = std::span(QueueChecker::kFigures);
  for (std::size_t i = 0; i < figures.size(); ++i) EXPECT_GE(seen.*figures[i], 100) << i;
}

/// Runs as long as they come: of any size, in no time or hours, hours apart.
void Feed(LatencyCurve& curve, Dice& dice, base::TimePoint& now) {
  now += dice.Of<base::Duration>({0ns, 1us, 300us, 50ms, 2s, 3h});
  const std::int64_t rows = 1 + dice.Pick(std::int64_t{1} << dice.Pick(21));
  curve.Add(rows, dice.About(dice.Of<base::Duration>({0ns, 1us, 1ms, 1s, 5h})), now);
}

TEST(LatencyCurveFuzz, NeverFallsAndStaysFinite) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Dice dice(seed);
    LatencyCurve curve;
    base::TimePoint now = kStart;
    for (int i = 0; i < 60; ++i) {
      Feed(curve, dice, now);
      base::Duration typical{0}, upper{0};
      for (std::int64_t rows = 1; rows <= 1 << 21; rows += 1 + dice.Pick(rows * 2)) {
        // To the precision of a float.
        ASSERT_GE(curve.Typical(rows, now), typical - typical / 1'000'000) << seed;
        ASSERT_GE(curve.Upper(rows, now), upper - upper / 1'000'000) << seed;
        typical = curve.Typical(rows, now);
        upper = curve.Upper(rows, now);
        ASSERT_GE(upper, typical - typical / 1'000'000) << seed;
        ASSERT_LE(curve.Lower(rows, now), typical + typical / 1'000'000) << seed;
        ASSERT_GE(curve.Lower(rows, now), typical / 2) << seed;
        ASSERT_LT(upper, base::kNever - now) << seed;
        const std::int64_t within = curve.RowsWithin(typical, rows, now);
        ASSERT_EQ(within, rows) << seed;
      }
      const std::int64_t most = 1 + dice.Pick(1 << 20);
      ASSERT_GE(curve.EfficientRows(most, now), 1) << seed;
      ASSERT_LE(curve.EfficientRows(most, now), most) << seed;
    }
  }
}

}  // namespace
}  // namespace muster::batching
