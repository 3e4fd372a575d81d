// Parts that plots share: scales with round numbers, and a row for each arm.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "notebooks-export/svg_canvas.h"

namespace specdec {

// From a value to its place: `begin` is where `least` lies, `end` where `most` lies.
struct PlotScale {
  double least = 0, most = 1, begin = 0, end = 1;
  double operator()(double value) const { return begin + (end - begin) * (value - least) / (most - least); }
  std::vector<double> ticks() const;
};

// A little above `most`; 1 above `least` if nothing is.
double with_room(double most, double least = 0);

// A grid line and a number for each tick.
void draw_ticks_below(SvgCanvas& canvas, const PlotScale& x, const std::vector<double>& ticks, double top,
                      double bottom);
void draw_ticks_left(SvgCanvas& canvas, const PlotScale& y, double left, double right);

// Rows with their names: beside them on a wide canvas, above them on a narrow one.
struct PlotRows {
  PlotRows(const SvgCanvas& canvas, const std::vector<std::string>& names, double top, double value_width);

  double top_of(std::size_t row) const { return top + height * static_cast<double>(row); }
  double middle_of(std::size_t row) const { return top_of(row) + (beside ? height / 2 : 29); }
  void draw_name(SvgCanvas& canvas, std::size_t row) const;
  // At the right: in a column of its own, or at the end of the name's line.
  void draw_value(SvgCanvas& canvas, std::size_t row, std::string_view words) const;

  static constexpr double kBar = 16;
  const std::vector<std::string>& names;
  bool beside;
  double top, height, left, right, bottom;
};

// Swatches with names, in columns; returns the height.
struct PlotKey {
  std::string name;
  std::size_t series = 0;
  bool square = false;  // else the marker of the series
};
double draw_key(SvgCanvas& canvas, const std::vector<PlotKey>& entries, double left, double top, double width);

}  // namespace specdec
