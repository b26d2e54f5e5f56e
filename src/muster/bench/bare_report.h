#pragma once

#include <string>

#include "muster/bench/bare_engine.h"
#include "muster/bench/svg_plot.h"

namespace muster::bench {

/// A duration for people: "7.58 ms", "1.90 µs", "2.04 s".
std::string ShortTime(base::Duration d);

/// `text` with spaces before it to make it `width` letters; a letter of several bytes counts once.
std::string AlignedRight(const std::string& text, std::size_t width);

/// The lines of a table as they are measured: the title, then one line for each point.
std::string TableTitle();
std::string TableLine(const Split& split, const BarePoint& point);

/// For each instances × threads its best point and knee, and why it ended; then which was best of
/// all.
std::string Summary(const BareSweep& sweep);

/// In a word or two, for tables and JSON: "all sizes measured", ….
std::string_view EndName(CurveEnd end);

/// Rows per second over batch size, a line for each instances × threads.
Plot PlotOf(const BareSweep& sweep, const std::string& model);

}  // namespace muster::bench
