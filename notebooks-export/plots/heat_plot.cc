#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "notebooks-export/cells.h"
#include "notebooks-export/plots/axes.h"
#include "notebooks-export/plots/draw_plot.h"

namespace specdec {
namespace {

constexpr std::size_t kTooltips = 2000;  // more cells are left without
using Rgb = std::array<double, 3>;

// Cividis (Nuñez, Anderton and Renslow 2018), which all eyes see alike, at five places.
constexpr std::array<Rgb, 5> kRamp{Rgb{0, 34, 78}, Rgb{65, 77, 107}, Rgb{124, 123, 120}, Rgb{188, 175, 111},
                                   Rgb{254, 232, 56}};

Rgb colour_at(double share) {
  const double at = std::clamp(share, 0.0, 1.0) * (kRamp.size() - 1);
  const auto from = std::min(static_cast<std::size_t>(at), kRamp.size() - 2);
  Rgb mixed{};
  for (std::size_t i = 0; i < 3; ++i)
    mixed[i] = std::lerp(kRamp[from][i], kRamp[from + 1][i], at - static_cast<double>(from));
  return mixed;
}

std::string hex_of(const Rgb& colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", std::lround(colour[0]), std::lround(colour[1]), std::lround(colour[2]));
}

std::string_view ink_on(const Rgb& colour) {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 125 ? "#000000" : "#ffffff";
}

void draw_scale(SvgCanvas& canvas, const HeatPlot& plot, double least, double most) {
  constexpr int kSteps = 24;
  constexpr double kStep = 5;
  canvas.text(8, 16, plot.value);
  canvas.text(8, 36, short_number(least), {.role = "soft"});
  const double left = 14 + text_width(short_number(least));
  for (int i = 0; i < kSteps; ++i)
    canvas.box(left + kStep * i, 26, kStep + 0.3, 12, hex_of(colour_at((i + 0.5) / kSteps)));
  canvas.text(left + kStep * kSteps + 6, 36, short_number(most), {.role = "soft"});
}

}  // namespace

double draw(SvgCanvas& canvas, const HeatPlot& plot) {
  double least = std::numeric_limits<double>::max(), most = std::numeric_limits<double>::lowest();
  for (const auto& row : plot.cells) {
    for (const auto& cell : row) {
      if (!cell) continue;
      least = std::min(least, *cell);
      most = std::max(most, *cell);
    }
  }
  draw_scale(canvas, plot, least, most);
  const PlotRows rows(canvas, plot.rows, 48, 0);
  const auto columns = static_cast<double>(plot.column_labels.size());
  const double width = std::min((rows.right - rows.left) / columns, 60.0);
  const bool numbered = width >= 25;
  for (std::size_t row = 0; row < plot.rows.size(); ++row) {
    const double y = rows.middle_of(row) - PlotRows::kBar / 2 - (rows.beside ? 3 : 0);
    const double height = PlotRows::kBar + 6;
    rows.draw_name(canvas, row);
    for (std::size_t column = 0; column < plot.column_labels.size(); ++column) {
      const std::optional<double>& cell = plot.cells[row][column];
      if (!cell) continue;
      const Rgb colour = colour_at(most > least ? (*cell - least) / (most - least) : 0.5);
      const double x = rows.left + width * static_cast<double>(column);
      const bool told = plot.rows.size() * plot.column_labels.size() <= kTooltips;
      canvas.box(x, y, width + (width > 8 ? -1 : 0.3), height, hex_of(colour),
                 told ? fmt::format("{}, {} {}: {}", plot.rows[row], plot.columns, plot.column_labels[column],
                                    short_number(*cell))
                      : "");
      if (numbered)
        canvas.text(x + width / 2, y + height / 2 + 4, fmt::format("{:.1f}", *cell),
                    {.anchor = "middle", .size = 10, .fill = ink_on(colour)});
    }
  }
  // As many numbers as fit.
  const double label_width = text_width(fmt::format("{}", plot.column_labels.back())) + 8;
  const auto step = static_cast<std::size_t>(std::ceil(label_width / width));
  for (std::size_t column = 0; column < plot.column_labels.size(); column += step)
    canvas.text(rows.left + width * (static_cast<double>(column) + 0.5), rows.bottom + 16,
                fmt::format("{}", plot.column_labels[column]), {.role = "soft", .anchor = "middle"});
  canvas.text(rows.left + width * columns / 2, rows.bottom + 36, plot.columns, {.anchor = "middle"});
  return rows.bottom + 46;
}

}  // namespace specdec
