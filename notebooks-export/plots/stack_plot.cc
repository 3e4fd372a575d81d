#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "notebooks-export/cells.h"
#include "notebooks-export/plots/axes.h"
#include "notebooks-export/plots/draw_plot.h"

namespace specdec {

double draw(SvgCanvas& canvas, const StackPlot& plot) {
  std::vector<std::string> names;
  std::vector<double> totals;
  double most = 0, value_width = 0;
  bool marked = false;
  for (const PlotStack& row : plot.rows) {
    names.push_back(row.name);
    totals.push_back(std::accumulate(row.parts.begin(), row.parts.end(), 0.0));
    most = std::max({most, totals.back(), row.mark.value_or(0)});
    value_width = std::max(value_width, text_width(short_number(totals.back()) + " ms"));
    marked = marked || row.mark.has_value();
  }
  std::vector<PlotKey> key;
  for (std::size_t part = 0; part < plot.parts.size(); ++part) key.push_back({plot.parts[part], part, true});
  double top = 8 + draw_key(canvas, key, 8, 4, canvas.width() - 16);
  if (marked) {
    canvas.line(13, top, 13, top + 14, "ink", "stroke-width=\"2.5\"");
    canvas.text(24, top + 11, plot.mark_name);
    top += 22;
  }
  const PlotRows rows(canvas, names, top, value_width);
  const PlotScale x{0, with_room(most), rows.left, rows.right};
  draw_ticks_below(canvas, x, x.ticks(), rows.top, rows.bottom + 4);
  for (std::size_t row = 0; row < plot.rows.size(); ++row) {
    const PlotStack& stack = plot.rows[row];
    const double y = rows.middle_of(row) - PlotRows::kBar / 2;
    double from = 0;
    for (std::size_t part = 0; part < stack.parts.size(); ++part) {
      const double to = from + stack.parts[part];
      canvas.box(x(from), y, x(to) - x(from), PlotRows::kBar, series_colour(part),
                 fmt::format("{}, {}: {} ms", stack.name, plot.parts[part], short_number(stack.parts[part])));
      from = to;
    }
    if (stack.mark)
      canvas.line(x(*stack.mark), y - 3, x(*stack.mark), y + PlotRows::kBar + 3, "ink", "stroke-width=\"2.5\"");
    rows.draw_name(canvas, row);
    rows.draw_value(canvas, row, short_number(totals[row]) + " ms");
  }
  canvas.text((rows.left + rows.right) / 2, rows.bottom + 40, plot.x, {.anchor = "middle"});
  return rows.bottom + 50;
}

}  // namespace specdec
