#include "muster/bench/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "muster/bench/bench_run.h"

namespace muster::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Total RunOf(std::uint64_t answers) {
  Tally tally;
  for (std::uint64_t i = 0; i < answers; ++i) tally.latency.Record(base::Duration(2ms));
  tally.status[200] = tally.in_time = tally.good = answers;
  tally.status[503] = 5;
  tally.failures[static_cast<std::size_t>(Failure::kReset)] = 2;
  tally.checked = 7;
  Total total;
  total.Add(tally);
  total.seconds = 1;
  return total;
}

Measurement Closed(std::vector<std::uint64_t> rates) {
  Measurement m;
  m.settings.url = "http://h:1";
  m.settings.slo = 5ms;
  m.work.url = ParseUrl("http://h:1").value();
  m.work.path = "/predict/iris";
  m.work.model = "iris";
  m.work.server = "muster 0.1.0";
  m.work.messages = {"0123456789"};
  m.origin = {
      .host = "box", .cpu = "A CPU", .cores = 2, .command = "muster bench \xff", .time = "T"};
  for (const std::uint64_t rate : rates) m.runs.push_back(RunOf(rate));
  return m;
}

Measurement Open() {
  Measurement m = Closed({1000});
  m.settings.arrivals = ArrivalKind::kBursty;
  m.settings.rate = 1234;
  m.settings.arrivals_seed = 9;
  return m;
}

TEST(JsonReport, HoldsWhatWasMeasuredAndHow) {
  const json report = json::parse(JsonReport(Closed({1000, 3000, 2000})));
  EXPECT_EQ(report["format"], "muster-bench-1");
  EXPECT_EQ(report["server"], "muster 0.1.0");
  EXPECT_EQ(report["origin"]["host"], "box");
  EXPECT_EQ(report["origin"]["cpu"], "A CPU");
  EXPECT_TRUE(report["origin"]["commit"].is_null());
  EXPECT_EQ(report["request"]["model"], "iris");
  EXPECT_EQ(report["request"]["bytes"], 10);
  EXPECT_EQ(report["load"]["loop"], "closed");
  EXPECT_EQ(report["load"]["slo_ms"], 5);
  EXPECT_EQ(report["summary"]["rate"]["min"], 1000);
  EXPECT_EQ(report["summary"]["rate"]["median"], 2000);
  EXPECT_EQ(report["summary"]["rate"]["max"], 3000);
  ASSERT_EQ(report["runs"].size(), 3u);
  EXPECT_EQ(report["runs"][1]["status"]["200"], 3000);
  EXPECT_EQ(report["runs"][1]["status"]["503"], 5);
  EXPECT_EQ(report["runs"][1]["errors"]["reset"], 2);
  EXPECT_EQ(report["runs"][1]["errors"]["refused"], 0);
  EXPECT_EQ(report["runs"][1]["answers_checked"], 7);
  EXPECT_NEAR(report["runs"][1]["p99_ms"].get<double>(), 2, 0.02);
  EXPECT_NEAR(report["runs"][1]["good_share"].get<double>(), 3000 / 3007.0, 1e-9);
}

TEST(JsonReport, HoldsTheScheduleOfAnOpenLoop) {
  const json load = json::parse(JsonReport(Open()))["load"];
  EXPECT_EQ(load["loop"], "open");
  EXPECT_EQ(load["arrivals"], "bursty");
  EXPECT_EQ(load["rate"], 1234);
  EXPECT_EQ(load["arrivals_seed"], 9);
  EXPECT_EQ(load["coefficient_of_variation"], 4);
}

TEST(JsonReport, HoldsTheStepsOfASearch) {
  Measurement m = Open();
  m.search = RateSearchResult{.rate = 500, .steps = {{500, 0.995, true}, {1000, 0.2, false}}};
  const json search = json::parse(JsonReport(m))["search"];
  EXPECT_EQ(search["rate"], 500);
  EXPECT_EQ(search["steps"][1]["good_share"], 0.2);
  EXPECT_EQ(search["steps"][1]["enough"], false);
}

TEST(JsonReport, IsThereWhereNothingWasMeasured) {
  const json report = json::parse(JsonReport(Closed({})));
  EXPECT_TRUE(report["runs"].is_array());
  EXPECT_TRUE(report["summary"].is_object());
}

TEST(TextReport, ShowsOneRunOrTheSpreadOfSeveral) {
  EXPECT_THAT(TextReport(Closed({1234})),
              AllOf(HasSubstr("closed loop, 64 connections, 10 s after 1 s, 1 run(s)"),
                    HasSubstr("1,234"), HasSubstr("error reset"), HasSubstr("status 503"),
                    Not(HasSubstr("median")), Not(HasSubstr("WARNING"))));
  EXPECT_THAT(TextReport(Closed({1000, 3000, 2000})),
              AllOf(HasSubstr("median"), HasSubstr("3,000")));
}

TEST(TextReport, SaysLoudlyThatTheGeneratorWasTheLimit) {
  Measurement m = Closed({1000});
  m.runs[0].busiest = 0.99;
  EXPECT_THAT(TextReport(m), HasSubstr("WARNING: the generator was the limit"));
}

TEST(TextReport, SaysWhatASearchFound) {
  Measurement m = Open();
  m.search = RateSearchResult{.rate = 500, .steps = {{500, 0.995, true}}};
  EXPECT_THAT(TextReport(m), AllOf(HasSubstr("99.50"), HasSubstr("within 5 ms: 500 requests/s")));
  m.runs.clear();
  m.search->rate = 0;
  EXPECT_THAT(TextReport(m), HasSubstr("no rate had enough answers within 5 ms"));
}

TEST(CompareReports, ShowsBothMediansAndTheirRatio) {
  const auto text =
      CompareReports(JsonReport(Closed({1000})), JsonReport(Closed({1500, 1500}))).value();
  EXPECT_THAT(text, AllOf(HasSubstr("1,000"), HasSubstr("1,500"), HasSubstr("1.500")));
  EXPECT_THAT(text, HasSubstr("muster bench"));
}

TEST(CompareReports, NamesTheFileThatIsNoReport) {
  const std::string good = JsonReport(Closed({1}));
  EXPECT_THAT(CompareReports("{}", good).error().message, HasSubstr("the first file"));
  EXPECT_THAT(CompareReports(good, "[1]").error().message, HasSubstr("the second file"));
  EXPECT_TRUE(CompareReports(good, JsonReport(Closed({}))));
}

TEST(StepDuration, LetsTenRequestsMiss) {
  EXPECT_EQ(StepDuration(100, 0.99, 3s), 10s);
  EXPECT_EQ(StepDuration(1e6, 0.99, 3s), 3s);
  EXPECT_EQ(StepDuration(1, 0.99, 3s), 30s);
  EXPECT_EQ(StepDuration(1, 0.99, 60s), 60s);
}

TEST(Settings, AreRefusedWithTheirFlag) {
  const auto message = [](const Settings& s) {
    const base::Status status = s.Validate();
    return status ? "" : status.error().message;
  };
  EXPECT_EQ(message({}), "");
  EXPECT_THAT(message({.connections = 0}), HasSubstr("--connections: expected 1 to 60000, got 0"));
  EXPECT_THAT(message({.duration = 0s}), HasSubstr("--duration"));
  EXPECT_THAT(message({.connections = 2, .threads = 3}),
              HasSubstr("no more than the 2 connections"));
  EXPECT_THAT(message({.arrivals = ArrivalKind::kPoisson}), HasSubstr("--rate"));
  EXPECT_THAT(message({.check_share = 2}), HasSubstr("--check-share"));
}

}  // namespace
}  // namespace muster::bench
