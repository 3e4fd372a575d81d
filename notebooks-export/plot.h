// What a figure shows, as data: drawn by svg_plot.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace specdec {

// A 95 % interval.
struct PlotSpan {
  double low = 0, high = 0;
};

struct PlotPoint {
  double x = 0, y = 0;
  std::optional<PlotSpan> span = {};  // of y
};

struct PlotLine {
  std::string name;
  std::vector<PlotPoint> points;  // ascending in x
};

struct PlotPanel {
  std::string title;
  std::vector<PlotLine> lines;
};

// Lines over whole numbers, in panels with common axes.
struct LinePlot {
  std::string x, y;  // names of the axes with their units
  double least_y = 0;
  std::optional<double> most_y = {};  // else what the lines need
  std::vector<PlotPanel> panels;
};

struct PlotDot {
  std::string name;
  double value = 0;
  std::optional<PlotSpan> span = {};
};

// A row per name, from 0.
struct DotPlot {
  std::string x;
  double reference = 1;  // a line across all rows
  std::string reference_name;
  std::vector<PlotDot> dots;
};

struct PlotPlace {
  std::string name;
  std::size_t family = 0;  // of one colour
  PlotPoint point;
  bool on_front = false;
};

struct ScatterPlot {
  std::string x, y;
  std::vector<PlotPlace> places;
};

struct HeatPlot {
  std::string columns, value;  // what the columns count, what a cell says
  std::vector<std::int64_t> column_labels;
  std::vector<std::string> rows;
  std::vector<std::vector<std::optional<double>>> cells;  // (rows, columns)
};

struct PlotStack {
  std::string name;
  std::vector<double> parts;
  std::optional<double> mark = {};
};

// A bar per row, made of parts.
struct StackPlot {
  std::string x, mark_name;
  std::vector<std::string> parts;
  std::vector<PlotStack> rows;
};

using Plot = std::variant<LinePlot, DotPlot, ScatterPlot, HeatPlot, StackPlot>;

}  // namespace specdec
