#pragma once

#include <string>
#include <utility>
#include <vector>

namespace muster::bench {

/// One line of a plot.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x and y, both above 0, by x
};

struct Plot {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
};

/// An SVG document of its own, 800 × 500, both axes logarithmic: x by powers of two, y by 1, 2 and
/// 5 times powers of ten. Every line has a colour and a marker of its own (the first eight; Okabe
/// and Ito's colours, told apart by the colour-blind too) and its name at its end. Points that are
/// not above 0 and finite are left out. Pure.
std::string ToSvg(const Plot& plot);

/// A number for people, of three figures at most: "950", "1.05 k", "26 M", "0.05".
std::string Short(double value);

}  // namespace muster::bench
