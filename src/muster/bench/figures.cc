#include "muster/bench/figures.h"

#include <algorithm>
#include <cstdio>

namespace muster::bench {
namespace {

constexpr double kBusy = 0.9;  // of a core: what is left goes to the kernel's own work
constexpr double kStarved = 0.1;

double Share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double Millis(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }

}  // namespace

std::vector<Figure> FiguresOf(const Total& total, const Settings& settings) {
  const auto& latency = total.latency;
  const auto ok = total.status.find(200);
  const std::uint64_t requests = total.requests();
  std::vector<Figure> figures = {
      {"rate", total.seconds > 0 ? static_cast<double>(total.in_time) / total.seconds : 0},
      {"requests", static_cast<double>(requests)},
      {"mean_ms", latency.mean() / 1e6},
      {"p50_ms", Millis(latency.Percentile(50))},
      {"p90_ms", Millis(latency.Percentile(90))},
      {"p95_ms", Millis(latency.Percentile(95))},
      {"p99_ms", Millis(latency.Percentile(99))},
      {"p99_9_ms", Millis(latency.Percentile(99.9))},
      {"max_ms", Millis(latency.max)},
      {"ok_share", Share(ok == total.status.end() ? 0 : ok->second, requests)},
  };
  if (total.refused.count > 0) {
    figures.push_back({"refused_p50_ms", Millis(total.refused.Percentile(50))});
    figures.push_back({"refused_p99_ms", Millis(total.refused.Percentile(99))});
  }
  if (total.expired.count > 0) {
    figures.push_back({"expired_p50_ms", Millis(total.expired.Percentile(50))});
    figures.push_back({"expired_p99_ms", Millis(total.expired.Percentile(99))});
  }
  if (settings.slo) figures.push_back({"good_share", Share(total.good, requests)});
  if (settings.open_loop()) {
    figures.push_back({"lag_p99_ms", Millis(total.lag.Percentile(99))});
    figures.push_back({"waited_share", Share(total.waited, requests)});
  }
  figures.push_back({"generator_cpu_share", total.busiest});
  figures.push_back({"generator_starved_share", total.starved});
  if (settings.burst > 0) {
    figures.push_back({"connect_p50_ms", Millis(total.connect.Percentile(50))});
    figures.push_back({"connect_p99_ms", Millis(total.connect.Percentile(99))});
    figures.push_back({"connect_max_ms", Millis(total.connect.max)});
    figures.push_back({"connect_failed", static_cast<double>(total.burst_failed)});
  }
  return figures;
}

std::vector<Spread> SpreadOf(std::span<const std::vector<Figure>> runs) {
  std::vector<Spread> spreads;
  if (runs.empty()) return spreads;
  for (const Figure& first : runs[0]) {
    std::vector<double> values;
    for (const auto& run : runs) {
      const auto found = std::ranges::find(run, first.name, &Figure::name);
      if (found != run.end()) values.push_back(found->value);
    }
    if (values.size() != runs.size()) continue;
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    const double median =
        values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    spreads.push_back({std::string(first.name), values.front(), median, values.back()});
  }
  return spreads;
}

std::string GeneratorWarning(const Total& total, const Settings& settings) {
  char text[200];
  if (total.busiest > kBusy) {
    std::snprintf(text, sizeof text,
                  "the generator was the limit: its busiest thread used %.0f %% of a core; "
                  "give it more --threads",
                  total.busiest * 100);
    return text;
  }
  if (total.starved > kStarved) {
    std::snprintf(text, sizeof text,
                  "the generator was the limit: other programs had its core for %.0f %% of the "
                  "time; give it cores of its own (--cores)",
                  total.starved * 100);
    return text;
  }
  const double lag = Millis(total.lag.Percentile(99));
  const double latency = Millis(total.latency.Percentile(99));
  if (settings.open_loop() && (lag > 1 || (lag > 0.1 && lag > latency / 5))) {
    std::snprintf(text, sizeof text,
                  "the generator sent late: p99 of its lag is %.3f ms, of the latency %.3f ms; "
                  "give it cores of its own (--cores)",
                  lag, latency);
    return text;
  }
  return "";
}

}  // namespace muster::bench
