#include <algorithm>

#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

constexpr std::size_t kLines = 6;  // that one panel can tell apart

PlotLine line_of(const Table& positions, const std::string& arm, const std::string& name) {
  PlotLine line{name, {}};
  for (const std::size_t row : rows_of_arm(positions, arm)) {
    const auto position = number_at(positions, row, "position"), share = number_at(positions, row, "accepted_share");
    if (position && share) line.points.push_back({*position, *share, {}});
  }
  std::ranges::sort(line.points, {}, &PlotPoint::x);
  return line;
}

// A panel per family, where families have several arms; else as many arms in a panel as it can tell apart.
PlotOrReason make(const Results& results) {
  const Table& arms = results.table("arms");
  const std::vector<std::string> names = arm_names(results), families = arm_families(results);
  const bool by_family = names.size() > kLines && distinct(families).size() < names.size();
  const bool has_k = std::ranges::find(results.axes, "k") != results.axes.end();
  std::vector<PlotPanel> panels;
  std::vector<std::string> titles;
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    const auto k = by_family && has_k ? number_at(arms, row, "k") : std::nullopt;
    const PlotLine line =
        line_of(results.table("positions"), text_at(arms, row, "arm"), k ? "k=" + short_number(*k) : names[row]);
    if (line.points.empty()) continue;
    if (by_family) {
      const auto found = std::ranges::find(panels, families[row], &PlotPanel::title);
      (found != panels.end() ? *found : panels.emplace_back(PlotPanel{families[row], {}})).lines.push_back(line);
    } else {
      if (panels.empty() || panels.back().lines.size() == kLines) panels.emplace_back();
      panels.back().lines.push_back(line);
    }
  }
  if (panels.empty()) return {{}, "no guess was tested."};
  return {
      LinePlot{
          .x = "position of the guess in its pass", .y = "share accepted", .least_y = 0, .most_y = 1, .panels = panels},
      "Of the guesses at a position that were tested, because all before them were accepted, how many stayed."};
}

}  // namespace

FigureKind figure_acceptance() { return {"acceptance", "Acceptance by position", 2, make}; }

}  // namespace specdec
