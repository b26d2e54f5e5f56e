#include "muster/bench/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <ranges>
#include <string_view>

namespace muster::bench {
namespace {

constexpr double kWidth = 800, kHeight = 500;
constexpr double kLeft = 82, kRight = 92, kTop = 72, kBottom = 62;
constexpr double kLetter = 16;  // height of a line of text

constexpr std::array<std::string_view, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#e69f00", "#56b4e9", "#000000", "#7f7f7f"};

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

std::string Fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// A logarithmic axis from `low` to `high`, which lie on ticks, drawn from `from` to `to`.
struct Axis {
  double low = 1, high = 2;
  double from = 0, to = 1;
  std::vector<double> ticks;

  double At(double value) const {
    return from + (to - from) * std::log(value / low) / std::log(high / low);
  }
};

Axis PowersOfTwo(double least, double most) {
  Axis axis{.low = std::exp2(std::floor(std::log2(least))),
            .high = std::exp2(std::ceil(std::log2(most))),
            .from = kLeft,
            .to = kWidth - kRight,
            .ticks = {}};
  if (axis.high <= axis.low) axis.high = 2 * axis.low;
  const double powers = std::round(std::log2(axis.high / axis.low));
  const double step = std::exp2(std::max(1.0, std::ceil(powers / 16)));
  for (double tick = axis.low; tick <= axis.high * 1.001; tick *= step) axis.ticks.push_back(tick);
  return axis;
}

/// 1, 2 and 5 times powers of ten around what is drawn; powers of ten alone where that is too many.
Axis OneTwoFive(double least, double most) {
  const auto mark = [](int i) {  // … 0.5, 1, 2, 5, 10 … with 1 at 0
    const int decade = i >= 0 ? i / 3 : -((2 - i) / 3);
    constexpr double kMarks[] = {1, 2, 5};
    return kMarks[i - 3 * decade] * std::pow(10.0, decade);
  };
  int first = 3 * static_cast<int>(std::floor(std::log10(least)));
  while (mark(first + 1) <= least * 1.0001) ++first;
  int last = first + 1;
  while (mark(last) < most * 0.9999) ++last;
  Axis axis{
      .low = mark(first), .high = mark(last), .from = kHeight - kBottom, .to = kTop, .ticks = {}};
  const bool many = last - first > 12;
  for (int i = first; i <= last; ++i) {
    if (!many || i % 3 == 0) axis.ticks.push_back(mark(i));
  }
  return axis;
}

void Text(std::string& out, double x, double y, std::string_view attributes,
          std::string_view text) {
  out += "<text x=\"" + Fixed(x) + "\" y=\"" + Fixed(y) + "\" ";
  out += attributes;
  out += ">" + Escaped(text) + "</text>\n";
}

void Line(std::string& out, double x1, double y1, double x2, double y2) {
  out += "<line x1=\"" + Fixed(x1) + "\" y1=\"" + Fixed(y1) + "\" x2=\"" + Fixed(x2) + "\" y2=\"" +
         Fixed(y2) + "\"/>\n";
}

void DrawAxes(std::string& out, const Axis& x, const Axis& y, const Plot& plot) {
  out += "<g stroke=\"#dddddd\">\n";
  for (const double tick : x.ticks) Line(out, x.At(tick), y.from, x.At(tick), y.to);
  for (const double tick : y.ticks) Line(out, x.from, y.At(tick), x.to, y.At(tick));
  out += "</g>\n<g stroke=\"#444444\">\n";
  Line(out, x.from, y.from, x.to, y.from);
  Line(out, x.from, y.from, x.from, y.to);
  out += "</g>\n<g font-size=\"13\" fill=\"#444444\">\n";
  for (const double tick : x.ticks) {
    Text(out, x.At(tick), y.from + 20, "text-anchor=\"middle\"", Short(tick));
  }
  for (const double tick : y.ticks) {
    Text(out, x.from - 8, y.At(tick) + 4.5, "text-anchor=\"end\"", Short(tick));
  }
  out += "</g>\n";
  Text(out, (x.from + x.to) / 2, kHeight - 16, "font-size=\"14\" text-anchor=\"middle\"",
       plot.x_label);
  const double middle = (y.from + y.to) / 2;
  Text(out, 20, middle,
       "font-size=\"14\" text-anchor=\"middle\" transform=\"rotate(-90 20 " + Fixed(middle) + ")\"",
       plot.y_label);
}

/// A small shape around a point, another for each of four lines in turn.
void Marker(std::string& out, std::size_t kind, double x, double y) {
  const auto at = [&](double dx, double dy) { return Fixed(x + dx) + "," + Fixed(y + dy) + " "; };
  switch (kind % 4) {
    case 0:
      out += "<circle cx=\"" + Fixed(x) + "\" cy=\"" + Fixed(y) + "\" r=\"4\"/>\n";
      return;
    case 1:
      out += "<polygon points=\"" + at(-4, -4) + at(4, -4) + at(4, 4) + at(-4, 4) + "\"/>\n";
      return;
    case 2:
      out += "<polygon points=\"" + at(0, -5) + at(5, 4) + at(-5, 4) + "\"/>\n";
      return;
    default:
      out += "<polygon points=\"" + at(0, -5.5) + at(5.5, 0) + at(0, 5.5) + at(-5.5, 0) + "\"/>\n";
  }
}

bool Drawable(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second) && point.first > 0 &&
         point.second > 0;
}

void DrawSeries(std::string& out, const Axis& x, const Axis& y, const Series& series,
                std::size_t number) {
  const std::string colour(kColours[number % kColours.size()]);
  out += "<g stroke=\"" + colour + "\" fill=\"" + colour + "\">\n<polyline fill=\"none\" ";
  out += "stroke-width=\"2\" points=\"";
  for (const auto& point : series.points) {
    if (Drawable(point)) out += Fixed(x.At(point.first)) + "," + Fixed(y.At(point.second)) + " ";
  }
  out += "\"/>\n";
  for (const auto& point : series.points) {
    if (Drawable(point)) Marker(out, number, x.At(point.first), y.At(point.second));
  }
  out += "</g>\n";
}

/// Where a line's name stands: beside its last point, moved so that no two names touch.
struct Label {
  std::size_t series = 0;
  double x = 0, y = 0;
};

void PushApart(std::vector<Label>& labels) {
  std::ranges::sort(labels, {}, &Label::y);
  for (std::size_t i = 1; i < labels.size(); ++i) {
    labels[i].y = std::max(labels[i].y, labels[i - 1].y + kLetter);
  }
  double floor = kHeight - kBottom;
  for (auto label = labels.rbegin(); label != labels.rend(); ++label) {
    label->y = std::min(label->y, floor);
    floor = label->y - kLetter;
  }
}

void DrawNames(std::string& out, const Axis& x, const Axis& y, const Plot& plot) {
  std::vector<Label> labels;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const auto& points = plot.series[i].points;
    const auto last = std::find_if(points.rbegin(), points.rend(), Drawable);
    if (last != points.rend()) labels.push_back({i, x.At(last->first), y.At(last->second)});
  }
  PushApart(labels);
  for (const Label& label : labels) {
    const std::string colour(kColours[label.series % kColours.size()]);
    Text(out, label.x + 10, label.y + 4.5,
         "font-size=\"13\" font-weight=\"bold\" stroke=\"white\" stroke-width=\"3\" "
         "paint-order=\"stroke\" fill=\"" +
             colour + "\"",
         plot.series[label.series].name);
  }
}

std::vector<std::pair<double, double>> AllPoints(const Plot& plot) {
  std::vector<std::pair<double, double>> all;
  for (const Series& series : plot.series) {
    std::ranges::copy_if(series.points, std::back_inserter(all), Drawable);
  }
  return all;
}

}  // namespace

std::string Short(double value) {
  constexpr std::pair<double, const char*> kUnits[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  char text[32];
  for (const auto& [unit, name] : kUnits) {
    // 999.6 rounds to 1000, and is 1 k then.
    if (value < unit * 0.9995) continue;
    std::snprintf(text, sizeof text, "%.3g", value / unit);
    return text + std::string(name);
  }
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string ToSvg(const Plot& plot) {
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"500\" "
      "viewBox=\"0 0 800 500\" font-family=\"system-ui, sans-serif\" fill=\"#222222\">\n"
      "<rect width=\"800\" height=\"500\" fill=\"white\"/>\n";
  Text(out, kLeft, 30, "font-size=\"19\" font-weight=\"bold\"", plot.title);
  Text(out, kLeft, 52, "font-size=\"13\" fill=\"#666666\"", plot.subtitle);
  const auto all = AllPoints(plot);
  if (all.empty()) {
    Text(out, kWidth / 2, kHeight / 2, "text-anchor=\"middle\"", "nothing was measured");
    return out + "</svg>\n";
  }
  const auto [x_low, x_high] = std::ranges::minmax(all | std::views::keys);
  const auto [y_low, y_high] = std::ranges::minmax(all | std::views::values);
  const Axis x = PowersOfTwo(x_low, x_high);
  const Axis y = OneTwoFive(y_low, y_high);
  DrawAxes(out, x, y, plot);
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    DrawSeries(out, x, y, plot.series[i], i);
  }
  DrawNames(out, x, y, plot);
  return out + "</svg>\n";
}

}  // namespace muster::bench
