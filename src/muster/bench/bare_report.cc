#include "muster/bench/bare_report.h"

#include <array>
#include <cstdio>

namespace muster::bench {
namespace {

/// printf into a string; lines here are short.
template <class... Args>
std::string Format(const char* format, Args... args) {
  std::array<char, 256> text;
  std::snprintf(text.data(), text.size(), format, args...);
  return text.data();
}

std::string Row(const std::array<std::string, 7>& cells) {
  constexpr std::array<std::size_t, 7> kWidths = {19, 7, 10, 10, 10, 9, 9};
  std::string row;
  for (std::size_t i = 0; i < cells.size(); ++i) row += AlignedRight(cells[i], kWidths[i]);
  return row + "\n";
}

std::string PointName(const BarePoint& point) {
  return Short(point.rows_per_s) + " rows/s at " + std::to_string(point.batch_size) + " (" +
         ShortTime(point.median) + ")";
}

}  // namespace

std::string ShortTime(base::Duration d) {
  const auto ns = static_cast<double>(d.count());
  if (ns < 999.5) return Format("%.0f ns", ns);
  if (ns < 999.5e3) return Format("%.3g µs", ns / 1e3);
  if (ns < 999.5e6) return Format("%.3g ms", ns / 1e6);
  return Format("%.3g s", ns / 1e9);
}

std::string AlignedRight(const std::string& text, std::size_t width) {
  std::size_t letters = 0;
  for (const char c : text) letters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return letters < width ? std::string(width - letters, ' ') + text : text;
}

std::string TableTitle() {
  return Row({"instances×threads", "batch", "rows/s", "median", "p99", "runs", "checked"});
}

std::string TableLine(const Split& split, const BarePoint& point) {
  return Row({split.Name(), std::to_string(point.batch_size), Short(point.rows_per_s),
              ShortTime(point.median), ShortTime(point.p99), std::to_string(point.runs),
              std::to_string(point.checked_rows)});
}

std::string_view EndName(CurveEnd end) {
  switch (end) {
    case CurveEnd::kComplete:
      return "all sizes measured";
    case CurveEnd::kGain:
      return "two larger sizes gained less than 3 %";
    case CurveEnd::kLongRun:
      return "the last run was too long";
  }
  return "";
}

std::string Summary(const BareSweep& sweep) {
  std::string out;
  const BareCurve* best_curve = nullptr;
  for (const BareCurve& curve : sweep.curves) {
    const BarePoint* best = BestOf(curve.points);
    if (best == nullptr) continue;
    out += curve.split.Name() + ": best " + PointName(*best) + ", knee " +
           PointName(*KneeOf(curve.points)) + "; " + std::string(EndName(curve.end)) + "\n";
    if (best_curve == nullptr || best->rows_per_s > BestOf(best_curve->points)->rows_per_s) {
      best_curve = &curve;
    }
  }
  if (best_curve == nullptr || sweep.curves.size() < 2) return out;
  return out + "best of all: " + best_curve->split.Name() + ", " +
         PointName(*BestOf(best_curve->points)) + "\n";
}

Plot PlotOf(const BareSweep& sweep, const std::string& model) {
  Plot plot{.title = "Bare engine: " + model,
            .subtitle = "the model in a plain loop, " + std::to_string(sweep.distinct_inputs) +
                        " distinct inputs; a line for each instances × threads",
            .x_label = "rows per run",
            .y_label = "rows/s",
            .series = {}};
  for (const BareCurve& curve : sweep.curves) {
    Series series{.name = curve.split.Name(), .points = {}};
    for (const BarePoint& point : curve.points) {
      series.points.emplace_back(static_cast<double>(point.batch_size), point.rows_per_s);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace muster::bench
