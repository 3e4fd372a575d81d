#include "notebooks-export/plots/axes.h"

#include <algorithm>

#include "notebooks-export/cells.h"
#include "notebooks-export/ticks.h"

namespace specdec {
namespace {

constexpr double kWide = 600;  // from here on, names stand beside their rows

double widest(const std::vector<std::string>& names) {
  double most = 0;
  for (const std::string& name : names) most = std::max(most, text_width(name));
  return most;
}

}  // namespace

double with_room(double most, double least) { return most <= least ? least + 1 : most + 0.04 * (most - least); }

std::vector<double> PlotScale::ticks() const {
  const double step = tick_step(most - least);
  std::vector<double> found;
  for (int i = 0; least + step * i <= most + step * 1e-6; ++i) found.push_back(least + step * i);
  return found;
}

void draw_ticks_below(SvgCanvas& canvas, const PlotScale& x, const std::vector<double>& ticks, double top,
                      double bottom) {
  for (const double tick : ticks) {
    canvas.line(x(tick), top, x(tick), bottom, "grid");
    canvas.text(x(tick), bottom + 16, short_number(tick), {.role = "soft", .anchor = "middle"});
  }
}

void draw_ticks_left(SvgCanvas& canvas, const PlotScale& y, double left, double right) {
  for (const double tick : y.ticks()) {
    canvas.line(left, y(tick), right, y(tick), "grid");
    canvas.text(left - 6, y(tick) + 4, short_number(tick), {.role = "soft", .anchor = "end"});
  }
}

PlotRows::PlotRows(const SvgCanvas& canvas, const std::vector<std::string>& row_names, double from, double value_width)
    : names(row_names), beside(canvas.width() >= kWide), top(from), height(beside ? 24 : 45) {
  left = beside ? std::min(widest(names), 0.3 * canvas.width()) + 14 : 8;
  right = canvas.width() - (beside ? value_width + 12 : 12);
  bottom = top_of(names.size());
}

void PlotRows::draw_name(SvgCanvas& canvas, std::size_t row) const {
  if (beside) {
    canvas.text(left - 10, middle_of(row) + 4, names[row], {.anchor = "end", .most_width = left - 14});
  } else {
    canvas.text(left, top_of(row) + 15, names[row], {.most_width = 0.58 * (right - left)});
  }
}

void PlotRows::draw_value(SvgCanvas& canvas, std::size_t row, std::string_view words) const {
  canvas.text(canvas.width() - 4, beside ? middle_of(row) + 4 : top_of(row) + 15, words,
              {.role = "soft", .anchor = "end"});
}

double draw_key(SvgCanvas& canvas, const std::vector<PlotKey>& entries, double left, double top, double width) {
  constexpr double kRow = 19, kSwatch = 16, kGap = 18;
  double needed = 1;
  for (const PlotKey& entry : entries) needed = std::max(needed, kSwatch + text_width(entry.name) + kGap);
  const auto columns = std::max<std::size_t>(1, static_cast<std::size_t>(width / needed));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const PlotKey& entry = entries[i];
    const double x = left + needed * static_cast<double>(i % columns);
    const double y = top + kRow * static_cast<double>(i / columns);
    if (entry.square) {
      canvas.box(x, y + 2, 11, 11, series_colour(entry.series));
    } else {
      canvas.marker(x + 5, y + 8, entry.series);
    }
    canvas.text(x + kSwatch, y + 12, entry.name, {.most_width = width - kSwatch});
  }
  return kRow * static_cast<double>((entries.size() + columns - 1) / columns);
}

}  // namespace specdec
