#include <fstream>
#include <sys/utsname.h>
#include <thread>

#include <nlohmann/json.hpp>

#include "muster/base/clock.h"
#include "muster/bench/figures.h"
#include "muster/bench/report.h"

namespace muster::bench {
namespace {

using json = nlohmann::ordered_json;

double Seconds(base::Duration d) { return base::ToMillis(d) / 1000; }

json LoadJson(const Settings& s) {
  json load = {{"loop", s.open_loop() ? "open" : "closed"}};
  if (s.open_loop()) {
    load["arrivals"] = ArrivalKindName(*s.arrivals);
    load["rate"] = s.rate;
    load["arrivals_seed"] = s.arrivals_seed;
    if (*s.arrivals == ArrivalKind::kBursty) load["coefficient_of_variation"] = kBurstyCv;
    load["max_connections"] = s.max_connections;
    for (const Phase& phase : s.phases) {
      load["phases"].push_back({{"rate", phase.rate}, {"duration_s", Seconds(phase.duration)}});
    }
  }
  load["connections"] = s.connections;
  load["connect_burst"] = s.burst;
  load["warm_up_s"] = Seconds(s.warm_up);
  load["duration_s"] = Seconds(s.duration);
  load["give_up_s"] = Seconds(s.give_up);
  load["slo_ms"] = s.slo ? json(base::ToMillis(*s.slo)) : json();
  load["threads"] = s.threads;
  load["cores"] = s.cores;
  return load;
}

json RequestJson(const Measurement& m) {
  const RequestOptions& r = m.settings.request;
  return {{"kind", RequestKindName(m.work.kind)},
          {"model", m.work.model},
          {"path", m.work.path},
          {"rows", r.rows},
          {"inputs", m.work.messages.size()},
          {"generated", m.settings.generated()},
          {"seed", r.seed},
          {"bytes", m.work.messages.empty() ? 0 : m.work.messages[0].size()},
          {"timeout_ms", r.timeout_ms},
          {"tolerance", m.settings.tolerance},
          {"check_share", m.settings.check_share}};
}

json OriginJson(const Origin& o) {
  return {{"host", o.host},
          {"cpu", o.cpu},
          {"cores", o.cores},
          {"kernel", o.kernel},
          {"command", o.command},
          {"version", o.version},
          {"commit", o.commit.empty() ? json() : json(o.commit)},
          {"time", o.time}};
}

json SeriesJson(const Total& total, const Settings& settings) {
  json series = json::array();
  const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  for (const SliceTotal& slice : total.slices) {
    series.push_back({{"at_s", static_cast<double>(series.size()) * Seconds(settings.slice)},
                      {"requests", slice.requests},
                      {"ok", slice.ok},
                      {"p50_ms", ms(slice.latency.Percentile(50))},
                      {"p99_ms", ms(slice.latency.Percentile(99))},
                      {"max_ms", ms(slice.latency.max)}});
    if (settings.slo) series.back()["good"] = slice.good;
  }
  return series;
}

json RunJson(const Total& total, const Settings& settings) {
  json run;
  for (const Figure& f : FiguresOf(total, settings)) run[std::string(f.name)] = f.value;
  run["seconds"] = total.seconds;
  json status = json::object();
  for (const auto& [code, count] : total.status) status[std::to_string(code)] = count;
  run["status"] = status;
  for (std::size_t i = 0; i < kFailures; ++i) {
    run["errors"][std::string(FailureName(static_cast<Failure>(i)))] = total.failures[i];
  }
  if (!total.slices.empty()) run["series"] = SeriesJson(total, settings);
  run["connections_reopened"] = total.reopened;
  run["answers_checked"] = total.checked;
  run["answers_wrong"] = total.wrong;
  const std::string warning = GeneratorWarning(total, settings);
  run["generator_was_the_limit"] = !warning.empty();
  return run;
}

json SearchJson(const RateSearchResult& search) {
  json steps = json::array();
  for (const RateStep& step : search.steps) {
    steps.push_back({{"rate", step.rate}, {"good_share", step.share}, {"enough", step.enough}});
  }
  return {{"rate", search.rate},
          {"unbounded", search.unbounded},
          {"interrupted", search.interrupted},
          {"steps", steps}};
}

std::string CpuModel() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

std::string UtcNow() {
  const auto seconds = std::chrono::system_clock::to_time_t(base::RealClock().WallNow());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

Origin ThisMachine() {
  utsname name{};
  uname(&name);
  return {.host = name.nodename,
          .cpu = CpuModel(),
          .kernel = std::string(name.sysname) + " " + name.release,
          .cores = static_cast<int>(std::thread::hardware_concurrency()),
          .time = UtcNow()};
}

std::string JsonReport(const Measurement& m) {
  json report = {{"format", "muster-bench-1"},   {"url", m.settings.url},
                 {"server", m.work.server},      {"origin", OriginJson(m.origin)},
                 {"request", RequestJson(m)},    {"load", LoadJson(m.settings)},
                 {"interrupted", m.interrupted}, {"warning", m.warning}};
  std::vector<std::vector<Figure>> figures;
  json runs = json::array();
  for (const Total& total : m.runs) {
    figures.push_back(FiguresOf(total, m.settings));
    runs.push_back(RunJson(total, m.settings));
  }
  json summary = json::object();
  for (const Spread& s : SpreadOf(figures)) {
    summary[s.name] = {{"min", s.min}, {"median", s.median}, {"max", s.max}};
  }
  report["summary"] = summary;
  report["runs"] = runs;
  if (m.search) report["search"] = SearchJson(*m.search);
  return report.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace muster::bench
