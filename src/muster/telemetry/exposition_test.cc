#include "muster/telemetry/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace muster::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

HistogramSnapshot Of(std::initializer_list<std::uint64_t> values) {
  Histogram histogram;
  for (const std::uint64_t value : values) histogram.Record(value);
  return histogram.Snapshot();
}

TEST(Exposition, IsEmptyWithoutMetrics) { EXPECT_EQ(Exposition().Text(), ""); }

TEST(Exposition, WritesHelpAndTypeBeforeACounter) {
  Exposition page;
  page.Counter("muster_requests_total", "Requests answered.", {{"model", "iris"}}, 12);
  EXPECT_EQ(page.Text(),
            "# HELP muster_requests_total Requests answered.\n"
            "# TYPE muster_requests_total counter\n"
            "muster_requests_total{model=\"iris\"} 12\n");
}

TEST(Exposition, WritesAGaugeWithoutLabels) {
  Exposition page;
  page.Gauge("muster_up", "Whether it is up.", {}, 0.5);
  EXPECT_EQ(page.Text(),
            "# HELP muster_up Whether it is up.\n"
            "# TYPE muster_up gauge\n"
            "muster_up 0.5\n");
}

TEST(Exposition, PutsAFamilysMetricsTogether) {
  Exposition page;
  page.Counter("a_total", "A.", {{"model", "x"}}, 1);
  page.Gauge("b", "B.", {}, 2);
  page.Counter("a_total", "ignored", {{"model", "y"}}, 3);
  EXPECT_EQ(page.Text(),
            "# HELP a_total A.\n# TYPE a_total counter\n"
            "a_total{model=\"x\"} 1\na_total{model=\"y\"} 3\n"
            "# HELP b B.\n# TYPE b gauge\nb 2\n");
}

TEST(Exposition, KeepsTheOrderOfLabels) {
  Exposition page;
  page.Gauge("g", "G.", {{"version", "2"}, {"model", "iris"}}, 1);
  EXPECT_THAT(page.Text(), HasSubstr("g{version=\"2\",model=\"iris\"} 1\n"));
}

TEST(Exposition, EscapesQuotesBackslashesAndNewlinesInLabels) {
  Exposition page;
  page.Gauge("g", "G.", {{"model", "a\"b\\c\nd"}}, 1);
  EXPECT_THAT(page.Text(), HasSubstr("g{model=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Exposition, EscapesBackslashesAndNewlinesInHelp) {
  Exposition page;
  page.Gauge("g", "two\nlines \\ \"quotes\"", {}, 1);
  EXPECT_THAT(page.Text(), HasSubstr("# HELP g two\\nlines \\\\ \"quotes\"\n"));
}

TEST(Exposition, WritesLargeCountsWithoutLoss) {
  Exposition page;
  page.Counter("c_total", "C.", {}, 9007199254740991.0);  // 2^53 - 1
  EXPECT_THAT(page.Text(), HasSubstr("c_total 9007199254740991\n"));
}

TEST(Exposition, WritesInfinity) {
  Exposition page;
  page.Gauge("g", "G.", {}, std::numeric_limits<double>::infinity());
  EXPECT_THAT(page.Text(), HasSubstr("g +Inf\n"));
}

TEST(Exposition, SecondsGoFromFiftyMicrosecondsToAMinute) {
  Exposition page;
  page.Seconds("wait_seconds", "Waited.", {{"model", "iris"}},
               Of({40'000, 2'000'000, 2'000'000'000, 90'000'000'000}));
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE wait_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"2.5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"60\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"iris\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_count{model=\"iris\"} 4\n"));
}

TEST(Exposition, SecondsSumUpInSeconds) {
  Exposition page;
  page.Seconds("wait_seconds", "Waited.", {}, Of({1'500'000'000, 250'000'000}));
  EXPECT_THAT(page.Text(), HasSubstr("wait_seconds_sum 1.75\n"));
}

TEST(Exposition, SizesGoByPowersOfTwo) {
  Exposition page;
  page.Sizes("batch_rows", "Rows.", {}, Of({1, 8, 128, 128, 65'536, 100'000}));
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"4\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"8\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"128\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"65536\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("batch_rows_bucket{le=\"+Inf\"} 6\n"));
  EXPECT_THAT(text, Not(HasSubstr("131072")));
  EXPECT_THAT(text, HasSubstr("batch_rows_sum 165801\n"));
}

TEST(Exposition, AHistogramWithoutRecordingsIsAllZeros) {
  Exposition page;
  page.Sizes("batch_rows", "Rows.", {}, HistogramSnapshot());
  EXPECT_THAT(page.Text(), HasSubstr("batch_rows_bucket{le=\"+Inf\"} 0\n"));
  EXPECT_THAT(page.Text(), HasSubstr("batch_rows_count 0\n"));
}

TEST(ExpositionDeathTest, TwoTypesOfOneMetricAbort) {
  Exposition page;
  page.Counter("m", "M.", {}, 1);
  EXPECT_DEATH(page.Gauge("m", "M.", {}, 1), "two types of metric m");
}

TEST(ExpositionDeathTest, NamesThatPrometheusRefusesAbort) {
  EXPECT_DEATH(Exposition().Gauge("no-dashes", "", {}, 1), "metric name no-dashes");
  EXPECT_DEATH(Exposition().Gauge("g", "", {{"1st", "x"}}, 1), "label name 1st");
}

}  // namespace
}  // namespace muster::telemetry
