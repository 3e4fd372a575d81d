#include "cli/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "notebooks-export/markup.h"
#include "notebooks-export/ticks.h"

namespace specdec {
namespace {

constexpr double kLeft = 70, kTop = 50, kWidth = 520, kHeight = 320, kLegend = 210;
constexpr std::array<std::string_view, 8> kColours{"#4c78a8", "#f58518", "#54a24b", "#e45756",
                                                   "#b279a2", "#79706e", "#17becf", "#9d755d"};

// What is computed has the colour of what was measured under the same name.
std::size_t colour_of(const LineChart& chart, std::size_t line) {
  std::vector<std::string_view> names;
  for (const ChartLine& other : chart.lines) {
    if (std::ranges::find(names, other.name) == names.end()) names.push_back(other.name);
  }
  return static_cast<std::size_t>(std::ranges::find(names, chart.lines[line].name) - names.begin());
}

}  // namespace

std::string svg_of(const LineChart& chart) {
  double most_x = 0, most_y = 0;
  for (const ChartLine& line : chart.lines) {
    for (const auto& [x, y] : line.points) {
      most_x = std::max(most_x, x);
      most_y = std::max(most_y, y);
    }
  }
  if (most_x <= 0) most_x = 1;
  if (most_y <= 0) most_y = 1;
  const double tick_x = tick_step(most_x), tick_y = tick_step(most_y);
  most_y = tick_y * std::ceil(most_y / tick_y);
  const auto x_of = [&](double x) { return kLeft + kWidth * x / most_x; };
  const auto y_of = [&](double y) { return kTop + kHeight * (1 - y / most_y); };

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"22\" font-size=\"14\">{3}</text>\n<text x=\"{2}\" y=\"40\">{4}</text>\n"
      "<text x=\"{5}\" y=\"{6}\" text-anchor=\"middle\">{7}</text>\n",
      kLeft + kWidth + kLegend, kTop + kHeight + 50, kLeft, markup(chart.title), markup(chart.y), kLeft + kWidth / 2,
      kTop + kHeight + 38, markup(chart.x));
  for (double y = 0; y <= most_y * 1.0001; y += tick_y) {
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}</text>\n",
        kLeft, kLeft + kWidth, y_of(y), kLeft - 6, y_of(y) + 4, y);
  }
  for (double x = 0; x <= most_x * 1.0001; x += tick_x) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.6g}</text>\n", x_of(x),
                       kTop + kHeight + 18, x);
  }
  double legend = kTop + 10;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const ChartLine& line = chart.lines[i];
    const std::string_view colour = kColours[colour_of(chart, i) % kColours.size()];
    const std::string dashes = line.dashed ? " stroke-dasharray=\"6 4\"" : "";
    std::string points;
    for (const auto& [x, y] : line.points) points += fmt::format("{:.1f},{:.1f} ", x_of(x), y_of(y));
    svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", points, colour,
                       dashes);
    if (!line.dashed) {
      for (const auto& [x, y] : line.points) {
        svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x_of(x), y_of(y), colour);
      }
    }
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"{3}\" stroke-width=\"2\"{4}/>"
        "<text x=\"{5}\" y=\"{6}\">{7}</text>\n",
        kLeft + kWidth + 14, kLeft + kWidth + 36, legend - 4, colour, dashes, kLeft + kWidth + 42, legend,
        markup(line.name));
    legend += 20;
  }
  return svg + "</svg>\n";
}

}  // namespace specdec
