// GCC 12 sees uninitialized memory in its own <regex> when a sanitizer is on (bug 105562).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "muster/bench/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <regex>

namespace muster::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Plot OneLine(std::vector<std::pair<double, double>> points) {
  return {.title = "Title",
          .subtitle = "Subtitle",
          .x_label = "rows per run",
          .y_label = "rows/s",
          .series = {{.name = "1×1", .points = std::move(points)}}};
}

/// Every element that is opened is closed in the right order, and every attribute is quoted.
bool IsWellFormed(const std::string& svg) {
  const std::regex tag("<(/?)([a-z]+)((?: [a-zA-Z0-9:-]+=\"[^\"<&]*\")*)(/?)>");
  std::vector<std::string> open;
  std::string rest = std::regex_replace(svg, std::regex("^<\\?xml[^>]*\\?>"), "");
  std::string text;
  for (std::smatch match; std::regex_search(rest, match, tag); rest = match.suffix()) {
    text += match.prefix();
    if (match[1].length() > 0) {
      if (open.empty() || open.back() != match[2]) return false;
      open.pop_back();
    } else if (match[4].length() == 0) {
      open.push_back(match[2]);
    }
  }
  text += rest;
  return open.empty() && text.find('<') == std::string::npos &&
         !std::regex_search(text, std::regex("&(?!amp;|lt;|gt;|quot;)"));
}

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++count;
  return count;
}

/// y of the line's points as drawn.
std::vector<double> Heights(const std::string& svg) {
  std::smatch match;
  EXPECT_TRUE(std::regex_search(svg, match, std::regex("<polyline[^>]* points=\"([^\"]*)\"")));
  std::vector<double> heights;
  const std::string points = match[1];
  const std::regex pair("[0-9.]+,([0-9.]+)");
  for (auto it = std::sregex_iterator(points.begin(), points.end(), pair);
       it != std::sregex_iterator(); ++it) {
    heights.push_back(std::stod((*it)[1]));
  }
  return heights;
}

TEST(SvgPlot, IsWellFormedWhateverTheTextsAre) {
  Plot plot = OneLine({{1, 100}, {2, 200}, {512, 1.5e6}});
  plot.title = "a < b & \"c\" > 'd'\n\x01";
  plot.series[0].name = "<1&1>";
  const std::string svg = ToSvg(plot);
  EXPECT_TRUE(IsWellFormed(svg)) << svg;
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot; &gt;"));
}

TEST(SvgPlot, TheTestTellsWhatIsNotWellFormed) {
  EXPECT_FALSE(IsWellFormed("<svg><g></svg>"));
  EXPECT_FALSE(IsWellFormed("<svg>a & b</svg>"));
  EXPECT_FALSE(IsWellFormed("<svg a=1></svg>"));
}

TEST(SvgPlot, HasTitlesAndLabels) {
  const std::string svg = ToSvg(OneLine({{1, 100}, {2, 200}}));
  for (const char* text : {">Title<", ">Subtitle<", ">rows per run<", ">rows/s<", ">1×1<"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
}

TEST(SvgPlot, EqualRatiosAreEqualDistances) {
  const auto y = Heights(ToSvg(OneLine({{1, 100}, {2, 200}, {4, 400}, {8, 800}})));
  ASSERT_EQ(y.size(), 4u);
  EXPECT_GT(y[0], y[1]) << "more is higher up";
  EXPECT_NEAR(y[0] - y[1], y[1] - y[2], 0.2);
  EXPECT_NEAR(y[1] - y[2], y[2] - y[3], 0.2);
}

TEST(SvgPlot, EveryPointHasAMarkerInsideTheFrame) {
  const std::string svg = ToSvg(OneLine({{1, 0.03}, {3, 7}, {100, 4e7}}));
  EXPECT_EQ(Count(svg, "<circle"), 3u);
  for (const double y : Heights(svg)) {
    EXPECT_GE(y, 72);
    EXPECT_LE(y, 500 - 62);
  }
}

TEST(SvgPlot, LeavesOutWhatALogarithmCannotShow) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const std::string svg = ToSvg(OneLine({{1, 100}, {2, 0}, {4, nan}, {8, inf}, {0, 5}, {16, 300}}));
  EXPECT_EQ(Count(svg, "<circle"), 2u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(SvgPlot, SaysThatThereIsNothing) {
  const std::string svg = ToSvg(OneLine({}));
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, HasSubstr("nothing was measured"));
}

TEST(SvgPlot, NamesOfLinesThatEndTogetherDoNotTouch) {
  Plot plot = OneLine({{1, 100}, {2, 200}});
  for (int i = 0; i < 5; ++i) {
    plot.series.push_back({.name = "line" + std::to_string(i), .points = {{1, 100}, {2, 200}}});
  }
  const std::string svg = ToSvg(plot);
  std::vector<double> heights;
  const std::regex name("y=\"([0-9.]+)\" font-size=\"13\" font-weight=\"bold\"");
  for (auto it = std::sregex_iterator(svg.begin(), svg.end(), name); it != std::sregex_iterator();
       ++it) {
    heights.push_back(std::stod((*it)[1]));
  }
  ASSERT_EQ(heights.size(), 6u);
  std::ranges::sort(heights);
  for (std::size_t i = 1; i < heights.size(); ++i) EXPECT_GE(heights[i] - heights[i - 1], 15.9);
}

TEST(SvgPlot, OneValueAloneHasAxesToo) {
  const std::string svg = ToSvg(OneLine({{64, 1000}}));
  EXPECT_EQ(Count(svg, "<circle"), 1u);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgPlot, ShortensNumbersForPeople) {
  EXPECT_EQ(Short(0.05), "0.05");
  EXPECT_EQ(Short(950), "950");
  EXPECT_EQ(Short(999.6), "1 k");
  EXPECT_EQ(Short(1050), "1.05 k");
  EXPECT_EQ(Short(25.8e6), "25.8 M");
  EXPECT_EQ(Short(2e9), "2 G");
}

}  // namespace
}  // namespace muster::bench
