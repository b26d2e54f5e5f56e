#include <algorithm>
#include <array>
#include <cstdio>

#include "muster/bench/bare_curve.h"
#include "muster/bench/bare_report.h"
#include "muster/bench/variants.h"

namespace muster::bench {
namespace {

std::string Line(const std::string& name, const std::array<std::string, 5>& cells,
                 std::size_t name_width) {
  std::string line = "  " + name + std::string(name_width - std::min(name_width, name.size()), ' ');
  for (const std::string& cell : cells) line += AlignedRight(cell, 11);
  return line + "\n";
}

bool SameDims(const model::TensorSpec& a, const model::TensorSpec& b) {
  return std::ranges::equal(a.dims, b.dims, {}, &model::Dim::size, &model::Dim::size);
}

/// Who is first, or that the first ones are alike.
std::string FastestLine(const std::vector<VariantTimes>& variants) {
  const auto ns = [](const VariantTimes& v) { return static_cast<double>(v.median.count()); };
  const VariantTimes& first = variants.at(0);
  const double ratio = ns(variants.at(1)) / std::max(ns(first), 1.0);
  if (ratio >= 1 + kSameRate) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.3g", ratio);
    return "fastest: " + first.name + ", " + text.data() + " times as fast as " +
           variants.at(1).name + "\n";
  }
  std::string line = "fastest: " + first.name + ", within 3 % of it:";
  for (std::size_t i = 1; i < variants.size(); ++i) {
    if (ns(variants[i]) < ns(first) * (1 + kSameRate)) line += " " + variants[i].name + ",";
  }
  line.back() = '\n';
  return line;
}

std::string DifferenceLine(const OutputDifference& difference) {
  if (difference.differing == 0) {
    return "output \"" + difference.output + "\": the same in all, " +
           std::to_string(difference.elements) + " elements compared\n";
  }
  char largest[32];
  std::snprintf(largest, sizeof largest, "%.3g", difference.largest);
  return "output \"" + difference.output + "\": largest difference " + largest + ", between " +
         difference.a + " and " + difference.b + " (" + std::to_string(difference.differing) +
         " of " + std::to_string(difference.elements) + " elements differ)\n";
}

}  // namespace

std::string DifferenceOf(const std::vector<model::TensorSpec>& a,
                         const std::vector<model::TensorSpec>& b, const std::string& kind) {
  if (a.size() != b.size()) {
    return std::to_string(a.size()) + " and " + std::to_string(b.size()) + " " + kind + "s";
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name == b[i].name && a[i].dtype == b[i].dtype && SameDims(a[i], b[i])) continue;
    return kind + " " + std::to_string(i) + " is \"" + a[i].name + "\" " + a[i].ToString() +
           " and \"" + b[i].name + "\" " + b[i].ToString();
  }
  return {};
}

std::string Report(const VariantsComparison& comparison) {
  std::size_t width = 0;
  for (const VariantTimes& variant : comparison.variants) {
    width = std::max(width, variant.name.size());
  }
  std::string out = Line("", {"median", "average", "p95", "p99", "rows/s"}, width);
  for (const VariantTimes& v : comparison.variants) {
    out += Line(v.name,
                {ShortTime(v.median), ShortTime(v.average), ShortTime(v.p95), ShortTime(v.p99),
                 Short(v.rows_per_s)},
                width);
  }
  out += FastestLine(comparison.variants);
  for (const OutputDifference& difference : comparison.differences) {
    out += DifferenceLine(difference);
  }
  if (!comparison.why_not_compared.empty()) {
    out += "outputs not compared: " + comparison.why_not_compared + "\n";
  }
  return out;
}

}  // namespace muster::bench
