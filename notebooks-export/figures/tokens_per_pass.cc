#include <algorithm>

#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

PlotOrReason make(const Results& results) {
  if (std::ranges::find(results.axes, "k") == results.axes.end())
    return {{}, "the experiment does not vary k, the longest guess."};
  const Table& arms = results.table("arms");
  const std::vector<std::string> family_of_row = arm_families(results), families = distinct(family_of_row);
  PlotPanel panel;
  for (const std::string& family : families) panel.lines.push_back({family, {}});
  std::vector<double> ks;
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    const auto k = number_at(arms, row, "k"), tokens = number_at(arms, row, "tokens_per_pass");
    if (!k || !tokens) continue;
    panel.lines[place_in(families, family_of_row[row])].points.push_back(
        {*k, *tokens, span_at(arms, row, "tokens_per_pass")});
    if (std::ranges::find(ks, *k) == ks.end()) ks.push_back(*k);
  }
  if (ks.size() < 2) return {{}, "fewer than two values of k were measured."};
  std::erase_if(panel.lines, [](const PlotLine& line) { return line.points.empty(); });
  for (PlotLine& line : panel.lines) std::ranges::sort(line.points, {}, &PlotPoint::x);
  return {
      LinePlot{
          .x = "k, the longest guess (tokens)", .y = "tokens per pass", .least_y = 1, .most_y = {}, .panels = {panel}},
      "How many tokens one pass of the target gives; plain decoding gives 1. Bars are 95 % intervals."};
}

}  // namespace

FigureKind figure_tokens_per_pass() { return {"tokens_per_pass", "Tokens per pass against k", 3, make}; }

}  // namespace specdec
