#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "notebooks-export/cells.h"
#include "notebooks-export/plots/axes.h"
#include "notebooks-export/plots/draw_plot.h"

namespace specdec {
namespace {

constexpr double kWide = 600, kGap = 24, kLeft = 40, kLabelStep = 15;

struct PanelPlace {
  double left = 0, top = 0, width = 0;
  bool labels_beside = false;
};

// Where labels go that want to stand at these heights: in the same order, far enough apart.
std::vector<double> spread(const std::vector<double>& wanted, double top, double bottom) {
  std::vector<std::size_t> order(wanted.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return wanted[i]; });
  std::vector<double> placed(wanted.size());
  double least = top;
  for (const std::size_t i : order) {
    placed[i] = std::max(wanted[i], least);
    least = placed[i] + kLabelStep;
  }
  double most = bottom;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    placed[*i] = std::min(placed[*i], most);
    most = placed[*i] - kLabelStep;
  }
  return placed;
}

// The whole numbers that lines have, or round ones if they are many.
std::vector<double> x_ticks(const LinePlot& plot, const PlotScale& x) {
  std::set<double> found;
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotLine& line : panel.lines) {
      for (const PlotPoint& point : line.points) found.insert(point.x);
    }
  }
  std::vector<double> ticks;
  for (const double tick : found) {
    if (ticks.empty() || x(tick) - x(ticks.back()) >= 22) ticks.push_back(tick);
  }
  return ticks;
}

// The height that it took.
double draw_panel(SvgCanvas& canvas, const LinePlot& plot, const PlotPanel& panel, const PanelPlace& place, PlotScale x,
                  PlotScale y) {
  double label_width = 0;
  for (const PlotLine& line : panel.lines) label_width = std::max(label_width, text_width(line.name));
  label_width = place.labels_beside ? std::min(label_width, 0.42 * place.width) + 26 : 10;
  const double top = place.top + (panel.title.empty() ? 24 : 42);
  const double height = std::max(place.labels_beside ? 210.0 : 190.0,
                                 place.labels_beside ? kLabelStep * static_cast<double>(panel.lines.size()) : 0.0);
  const double left = place.left + kLeft, right = place.left + place.width - label_width, bottom = top + height;
  x.begin = left + 10;
  x.end = right - 10;
  y.begin = bottom;
  y.end = top;
  canvas.text(place.left, place.top + 14, panel.title, {.size = 13, .most_width = place.width});
  canvas.text(place.left, top - 10, plot.y, {.role = "soft"});
  draw_ticks_left(canvas, y, left, right);
  draw_ticks_below(canvas, x, x_ticks(plot, x), bottom, bottom);
  canvas.text((left + right) / 2, bottom + 36, plot.x, {.anchor = "middle"});

  std::vector<double> wanted;
  std::vector<PlotKey> key;
  for (std::size_t i = panel.lines.size(); i-- > 0;) {  // the first on top: shorter guesses hide less
    const PlotLine& line = panel.lines[i];
    // Side by side, so that intervals of equal x do not hide one another.
    const bool spans = std::ranges::any_of(line.points, [](const PlotPoint& point) { return point.span.has_value(); });
    const double shift = spans ? 3 * (static_cast<double>(i) - 0.5 * static_cast<double>(panel.lines.size() - 1)) : 0;
    std::string points;
    for (const PlotPoint& point : line.points) {
      points += fmt::format("{:.1f},{:.1f} ", x(point.x) + shift, y(point.y));
      if (point.span)
        canvas.series_bar(x(point.x) + shift, y(std::clamp(point.span->low, y.least, y.most)), x(point.x) + shift,
                          y(std::clamp(point.span->high, y.least, y.most)), i);
    }
    canvas.series_line(points, i);
    for (const PlotPoint& point : line.points)
      canvas.marker(x(point.x) + shift, y(point.y), i,
                    fmt::format("{}, {}: {}", line.name, short_number(point.x), short_number(point.y)));
  }
  for (std::size_t i = 0; i < panel.lines.size(); ++i) {
    wanted.push_back(y(panel.lines[i].points.back().y));
    key.push_back({panel.lines[i].name, i});
  }
  if (!place.labels_beside)
    return bottom + 44 + draw_key(canvas, key, place.left, bottom + 44, place.width) - place.top;
  const std::vector<double> heights = spread(wanted, top + 4, bottom - 2);
  for (std::size_t i = 0; i < panel.lines.size(); ++i) {
    const PlotPoint& last = panel.lines[i].points.back();
    canvas.line(x(last.x) + 8, wanted[i], right + 8, heights[i], "rule",
                "stroke-width=\"0.7\" stroke-dasharray=\"2 2\"");
    canvas.marker(right + 14, heights[i], i);
    canvas.text(right + 22, heights[i] + 4, panel.lines[i].name, {.most_width = label_width - 24});
  }
  return bottom + 44 - place.top;
}

}  // namespace

double draw(SvgCanvas& canvas, const LinePlot& plot) {
  double least_x = 1e300, most_x = -1e300, most_y = plot.least_y;
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotLine& line : panel.lines) {
      for (const PlotPoint& point : line.points) {
        least_x = std::min(least_x, point.x);
        most_x = std::max(most_x, point.x);
        most_y = std::max({most_y, point.y, point.span ? point.span->high : point.y});
      }
    }
  }
  if (least_x == most_x) least_x -= 1, most_x += 1;
  const PlotScale x{least_x, most_x, 0, 1};
  const PlotScale y{plot.least_y, plot.most_y.value_or(with_room(most_y, plot.least_y)), 0, 1};
  const bool wide = canvas.width() >= kWide;
  const std::size_t columns = wide && plot.panels.size() > 1 ? 2 : 1;
  const double width = (canvas.width() - 8 - kGap * static_cast<double>(columns - 1)) / static_cast<double>(columns);
  double top = 0, row_height = 0;
  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    const std::size_t column = i % columns;
    if (column == 0) {
      top += row_height + (i > 0 ? 14 : 0);
      row_height = 0;
    }
    const PanelPlace place{4 + static_cast<double>(column) * (width + kGap), top, width, wide};
    row_height = std::max(row_height, draw_panel(canvas, plot, plot.panels[i], place, x, y));
  }
  return top + row_height + 4;
}

}  // namespace specdec
