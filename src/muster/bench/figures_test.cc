#include "muster/bench/figures.h"

#include <gmock/gmock.h>

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

double Value(const std::vector<Figure>& figures, std::string_view name) {
  for (const Figure& f : figures) {
    if (f.name == name) return f.value;
  }
  ADD_FAILURE() << name;
  return -1;
}

/// 1000 answers of 1 to 1000 ms in 10 s, 50 refusals, 10 answers 503.
Total Known() {
  Tally tally;
  for (int ms = 1; ms <= 1000; ++ms) tally.latency.Record(base::Duration(ms * 1ms));
  tally.status[200] = tally.in_time = 1000;
  tally.status[503] = 10;
  tally.failures[static_cast<std::size_t>(Failure::kRefused)] = 50;
  tally.good = 500;
  Total total;
  total.Add(tally);
  total.seconds = 10;
  return total;
}

TEST(Figures, AreThoseOfTheKnownDistribution) {
  const auto figures = FiguresOf(Known(), {.slo = 500ms});
  EXPECT_EQ(Value(figures, "rate"), 100);
  EXPECT_EQ(Value(figures, "requests"), 1060);
  EXPECT_NEAR(Value(figures, "mean_ms"), 500.5, 0.01);
  EXPECT_NEAR(Value(figures, "p50_ms"), 500, 5);
  EXPECT_NEAR(Value(figures, "p90_ms"), 900, 9);
  EXPECT_NEAR(Value(figures, "p99_ms"), 990, 9.9);
  EXPECT_NEAR(Value(figures, "p99_9_ms"), 999, 9.99);
  EXPECT_EQ(Value(figures, "max_ms"), 1000);
  EXPECT_NEAR(Value(figures, "ok_share"), 1000 / 1060.0, 1e-9);
  EXPECT_NEAR(Value(figures, "good_share"), 500 / 1060.0, 1e-9);
}

TEST(Figures, TellRefusedAnswersFromExpiredOnes) {
  Tally tally;
  tally.refused.Record(base::Duration(2ms));
  tally.expired.Record(base::Duration(90ms));
  Total total;
  total.Add(tally);
  const auto figures = FiguresOf(total, {});
  EXPECT_NEAR(Value(figures, "refused_p99_ms"), 2, 0.02);
  EXPECT_NEAR(Value(figures, "expired_p50_ms"), 90, 0.9);
}

TEST(Figures, SlicesOfThreadsAreAddedUp) {
  Tally a, b;
  a.slices = std::vector<Slice>(2);
  b.slices = std::vector<Slice>(2);
  a.slices[1].requests = 3;
  b.slices[1].requests = 4;
  b.slices[1].latency.Record(std::uint64_t{5});
  Total total;
  total.Add(a);
  total.Add(b);
  ASSERT_EQ(total.slices.size(), 2u);
  EXPECT_EQ(total.slices[1].requests, 7u);
  EXPECT_EQ(total.slices[1].latency.max, 5u);
}

TEST(Figures, AreZeroWhereNothingWasMeasured) {
  for (const Figure& f : FiguresOf(Total(), {})) EXPECT_EQ(f.value, 0) << f.name;
}

TEST(Figures, OfThreadsAreAddedUp) {
  Tally a, b;
  a.status[200] = 3;
  b.status[200] = 4;
  a.latency.Record(std::uint64_t{5});
  b.latency.Record(std::uint64_t{7});
  a.cpu_seconds = 1, a.wall_seconds = 10;
  b.cpu_seconds = 5, b.wall_seconds = 10;
  b.first_wrong = "x";
  Total total;
  total.Add(a);
  total.Add(b);
  EXPECT_EQ(total.requests(), 7u);
  EXPECT_EQ(total.latency.count, 2u);
  EXPECT_EQ(total.latency.max, 7u);
  EXPECT_EQ(total.busiest, 0.5);
  EXPECT_EQ(total.first_wrong, "x");
}

TEST(Figures, SpreadOverRepeats) {
  const std::vector<std::vector<Figure>> odd = {
      {{"a", 3}, {"b", 1}}, {{"a", 1}, {"b", 1}}, {{"a", 2}}};
  const auto spreads = SpreadOf(odd);
  ASSERT_EQ(spreads.size(), 1u);  // b is not in all
  EXPECT_EQ(spreads[0].name, "a");
  EXPECT_EQ(spreads[0].min, 1);
  EXPECT_EQ(spreads[0].median, 2);
  EXPECT_EQ(spreads[0].max, 3);
  EXPECT_EQ(SpreadOf(std::vector<std::vector<Figure>>{{{"a", 1}}, {{"a", 4}}})[0].median, 2.5);
  EXPECT_TRUE(SpreadOf({}).empty());
}

TEST(GeneratorWarning, IsGivenWhereTheGeneratorHadNoTimeLeft) {
  Total total = Known();
  EXPECT_EQ(GeneratorWarning(total, {}), "");
  total.starved = 0.5;
  EXPECT_THAT(GeneratorWarning(total, {}), HasSubstr("had its core for 50 %"));
  total.busiest = 0.97;
  EXPECT_THAT(GeneratorWarning(total, {}), HasSubstr("97 % of a core"));
}

TEST(GeneratorWarning, IsGivenWhereItSentLate) {
  Tally late;
  late.latency.Record(base::Duration(1ms));
  late.lag.Record(base::Duration(500us));
  Total total;
  total.Add(late);
  const Settings open{.arrivals = ArrivalKind::kPoisson, .rate = 1};
  EXPECT_THAT(GeneratorWarning(total, open), HasSubstr("sent late"));
  Tally slow;
  slow.latency.Record(base::Duration(50ms));
  slow.lag.Record(base::Duration(500us));
  Total harmless;
  harmless.Add(slow);
  EXPECT_EQ(GeneratorWarning(harmless, open), "");
}

}  // namespace
}  // namespace muster::bench
