#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "muster/base/text.h"
#include "muster/bench/figures.h"
#include "muster/bench/report.h"

namespace muster::bench {
namespace {

using nlohmann::ordered_json;

struct Row {
  std::string_view name;   // of the figure
  std::string_view label;  // for people
};

constexpr std::array kRows = {
    Row{"rate", "answers 200/s"},
    Row{"requests", "requests"},
    Row{"mean_ms", "latency mean, ms"},
    Row{"p50_ms", "        p50"},
    Row{"p90_ms", "        p90"},
    Row{"p95_ms", "        p95"},
    Row{"p99_ms", "        p99"},
    Row{"p99_9_ms", "        p99.9"},
    Row{"max_ms", "        max"},
    Row{"ok_share", "answered 200, %"},
    Row{"refused_p50_ms", "answers 503 p50, ms"},
    Row{"refused_p99_ms", "        p99"},
    Row{"expired_p50_ms", "answers 504 p50, ms"},
    Row{"expired_p99_ms", "        p99"},
    Row{"good_share", "within the SLO, %"},
    Row{"lag_p99_ms", "generator's lag p99, ms"},
    Row{"waited_share", "waited for a connection, %"},
    Row{"generator_cpu_share", "generator's CPU, %"},
    Row{"generator_starved_share", "        waited for a core, %"},
    Row{"connect_p50_ms", "burst: connected p50, ms"},
    Row{"connect_p99_ms", "        p99"},
    Row{"connect_max_ms", "        max"},
    Row{"connect_failed", "        failed"},
};

std::string_view LabelOf(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &Row::name);
  return row == kRows.end() ? name : row->label;
}

/// 123,456 or 1.234: whole where the digits behind the point say nothing.
std::string Number(double value) {
  char text[48];
  const double size = std::abs(value);
  std::snprintf(text, sizeof text, "%.*f", size >= 1000 || size == std::floor(size) ? 0 : 3, value);
  std::string number = text;
  const std::size_t point = std::min(number.find('.'), number.size());
  for (std::size_t at = point; at > 3 + (number[0] == '-' ? 1u : 0u); at -= 3) {
    number.insert(at - 3, ",");
  }
  return number;
}

std::string Shown(std::string_view name, double value) {
  if (!name.ends_with("_share")) return Number(value);
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value * 100);
  return text;
}

void AppendLine(std::string& out, std::string_view label, const std::vector<std::string>& cells) {
  char text[160];
  std::snprintf(text, sizeof text, "  %-28.*s", static_cast<int>(label.size()), label.data());
  out += text;
  for (const std::string& cell : cells) {
    std::snprintf(text, sizeof text, " %14.100s", cell.c_str());
    out += text;
  }
  out += '\n';
}

void AppendFigures(std::string& out, const Measurement& m) {
  std::vector<std::vector<Figure>> figures;
  for (const Total& total : m.runs) figures.push_back(FiguresOf(total, m.settings));
  const bool several = figures.size() > 1;
  if (several) AppendLine(out, "", {"min", "median", "max"});
  for (const Spread& s : SpreadOf(figures)) {
    std::vector<std::string> cells = {Shown(s.name, s.min)};
    if (several) cells = {cells[0], Shown(s.name, s.median), Shown(s.name, s.max)};
    AppendLine(out, LabelOf(s.name), cells);
  }
}

void AppendCounts(std::string& out, const Measurement& m) {
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t checked = 0, wrong = 0, reopened = 0;
  for (const Total& total : m.runs) {
    for (const auto& [code, count] : total.status)
      counts["status " + std::to_string(code)] += count;
    for (std::size_t i = 0; i < kFailures; ++i) {
      const std::string name(FailureName(static_cast<Failure>(i)));
      if (total.failures[i] > 0) counts["error " + name] += total.failures[i];
    }
    checked += total.checked;
    wrong += total.wrong;
    reopened += total.reopened;
  }
  for (const auto& [name, count] : counts) {
    AppendLine(out, name, {Number(static_cast<double>(count))});
  }
  if (reopened > 0) {
    AppendLine(out, "connections reopened", {Number(static_cast<double>(reopened))});
  }
  AppendLine(out, "answers checked", {Number(static_cast<double>(checked))});
  if (wrong > 0) AppendLine(out, "answers wrong", {Number(static_cast<double>(wrong))});
}

void AppendSearch(std::string& out, const RateSearchResult& search, const Settings& settings) {
  char text[200];
  AppendLine(out, "rate asked for", {"good, %", ""});
  for (const RateStep& step : search.steps) {
    AppendLine(out, Number(step.rate),
               {Shown("_share", step.share), step.enough ? "ok" : "missed"});
  }
  const double slo = base::ToMillis(*settings.slo);
  if (search.interrupted) {
    out += "interrupted: no rate was confirmed\n";
  } else if (search.rate == 0) {
    std::snprintf(text, sizeof text, "no rate had enough answers within %g ms\n", slo);
    out += text;
  } else {
    std::snprintf(text, sizeof text, "highest rate within %g ms: %s requests/s%s\n", slo,
                  Number(search.rate).c_str(),
                  search.unbounded ? " (the highest that was tried)" : "");
    out += text;
  }
}

void AppendWarning(std::string& out, const Measurement& m) {
  std::string warning = m.warning;
  for (const Total& total : m.runs) {
    if (warning.empty()) warning = GeneratorWarning(total, m.settings);
  }
  if (!warning.empty()) out += "WARNING: " + warning + "\n";
}

base::Result<ordered_json> ReadReport(std::string_view text, std::string_view which) {
  ordered_json report = ordered_json::parse(text, nullptr, false);
  const bool known = report.is_object() && report.contains("format") &&
                     report["format"] == "muster-bench-1" && report.contains("summary") &&
                     report["summary"].is_object();
  if (!known) {
    return base::InvalidArgument("the " + std::string(which) +
                                 " file is no report of muster bench --json");
  }
  return report;
}

std::string TitleOf(const ordered_json& report) {
  const auto at = [&](const char* path) {
    const ordered_json::json_pointer pointer(path);
    return report.contains(pointer) && report[pointer].is_string()
               ? base::Printable(report[pointer].get<std::string>(), 200)
               : std::string();
  };
  return at("/origin/time") + "  " + at("/server") + "  " + at("/origin/command");
}

}  // namespace

std::string LoadText(const Settings& settings) {
  char text[240];
  const double seconds = base::ToMillis(settings.duration) / 1000;
  const double warm_up = base::ToMillis(settings.warm_up) / 1000;
  if (settings.open_loop()) {
    const std::string kind(ArrivalKindName(*settings.arrivals));
    std::snprintf(text, sizeof text,
                  "open loop, %s arrivals, %s requests/s, seed %ju, %zu to %zu connections, "
                  "%g s after %g s",
                  kind.c_str(), Number(settings.rate).c_str(),
                  static_cast<std::uintmax_t>(settings.arrivals_seed), settings.connections,
                  std::max(settings.connections, settings.max_connections), seconds, warm_up);
  } else {
    std::snprintf(text, sizeof text, "closed loop, %zu connections, %g s after %g s",
                  settings.connections, seconds, warm_up);
  }
  return text;
}

std::string TextReport(const Measurement& m) {
  std::string out = "http://" + m.work.url.authority() + m.work.path + ": " +
                    std::string(RequestKindName(m.work.kind)) + ", " +
                    std::to_string(m.settings.request.rows) + " row(s) a request, " +
                    std::to_string(m.work.messages.size()) + " inputs\n";
  out += LoadText(m.settings) + ", " + std::to_string(m.runs.size()) + " run(s)" +
         (m.interrupted ? ", interrupted" : "") + "\n";
  if (m.search) AppendSearch(out, *m.search, m.settings);
  if (m.runs.empty()) {
    AppendWarning(out, m);
    return out;
  }
  AppendFigures(out, m);
  AppendCounts(out, m);
  AppendWarning(out, m);
  return out;
}

base::Result<std::string> CompareReports(std::string_view first, std::string_view second) {
  MUSTER_ASSIGN_OR_RETURN(const auto a, ReadReport(first, "first"));
  MUSTER_ASSIGN_OR_RETURN(const auto b, ReadReport(second, "second"));
  std::string out = "A: " + TitleOf(a) + "\nB: " + TitleOf(b) + "\n";
  AppendLine(out, "median", {"A", "B", "B / A"});
  const auto median = [](const ordered_json& spread) -> std::optional<double> {
    if (!spread.is_object() || !spread.contains("median")) return std::nullopt;
    const auto& value = spread["median"];
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  };
  const auto line = [&](const std::string& name, double x, double y) {
    char ratio[32] = "-";
    if (x != 0) std::snprintf(ratio, sizeof ratio, "%.3f", y / x);
    AppendLine(out, LabelOf(name), {Shown(name, x), Shown(name, y), ratio});
  };
  for (const auto& [name, spread] : a["summary"].items()) {
    if (!b["summary"].contains(name)) continue;
    const auto x = median(spread), y = median(b["summary"][name]);
    if (x && y) line(name, *x, *y);
  }
  const ordered_json::json_pointer found("/search/rate");
  if (a.contains(found) && b.contains(found) && a[found].is_number() && b[found].is_number()) {
    line("rate found", a[found].get<double>(), b[found].get<double>());
  }
  return out;
}

}  // namespace muster::bench
