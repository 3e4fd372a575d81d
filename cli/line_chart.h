// Lines over a common axis as an SVG picture.
//   svg_of({.title = "a layer", .x = "rows", .y = "ms", .lines = {{"same", {{1, 0.9}, {2, 1.0}}}}})
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace specdec {

struct ChartLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending in the first
  bool dashed = false;                            // what was computed, beside what was measured
};

struct LineChart {
  std::string title, x, y;  // names of the axes with their units
  std::vector<ChartLine> lines;
};

// Both axes begin at 0.
std::string svg_of(const LineChart& chart);

}  // namespace specdec
