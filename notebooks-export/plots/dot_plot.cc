#include <fmt/format.h>

#include <algorithm>

#include "notebooks-export/cells.h"
#include "notebooks-export/plots/axes.h"
#include "notebooks-export/plots/draw_plot.h"

namespace specdec {
namespace {

std::string words_of(const PlotDot& dot) {
  if (!dot.span) return fmt::format("{:.2f}", dot.value);
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", dot.value, dot.span->low, dot.span->high);
}

}  // namespace

double draw(SvgCanvas& canvas, const DotPlot& plot) {
  std::vector<std::string> names;
  double most = plot.reference, value_width = 0;
  for (const PlotDot& dot : plot.dots) {
    names.push_back(dot.name);
    most = std::max({most, dot.value, dot.span ? dot.span->high : 0});
    value_width = std::max(value_width, text_width(words_of(dot)));
  }
  const PlotRows rows(canvas, names, 24, value_width);
  const PlotScale x{0, with_room(most), rows.left, rows.right};
  draw_ticks_below(canvas, x, x.ticks(), rows.top, rows.bottom + 4);
  canvas.line(x(plot.reference), rows.top - 6, x(plot.reference), rows.bottom + 4, "rule", "stroke-dasharray=\"5 3\"");
  canvas.text(x(plot.reference), rows.top - 10, plot.reference_name, {.role = "soft", .anchor = "middle"});
  for (std::size_t row = 0; row < plot.dots.size(); ++row) {
    const PlotDot& dot = plot.dots[row];
    const double y = rows.middle_of(row);
    rows.draw_name(canvas, row);
    rows.draw_value(canvas, row, words_of(dot));
    if (dot.span) canvas.series_bar(x(std::max(dot.span->low, 0.0)), y, x(dot.span->high), y, 0);
    canvas.marker(x(dot.value), y, 0, dot.name + ": " + words_of(dot));
  }
  canvas.text((rows.left + rows.right) / 2, rows.bottom + 40, plot.x, {.anchor = "middle"});
  return rows.bottom + 50;
}

}  // namespace specdec
