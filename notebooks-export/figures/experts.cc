#include <algorithm>
#include <set>

#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

PlotOrReason make(const Results& results) {
  const Table &arms = results.table("arms"), &layers = results.table("layers");
  const std::vector<std::string> names = arm_names(results);
  std::set<std::int64_t> found;
  for (std::size_t row = 0; row < layers.rows.size(); ++row) {
    if (const auto layer = number_at(layers, row, "layer")) found.insert(static_cast<std::int64_t>(*layer));
  }
  HeatPlot plot{.columns = "layer",
                .value = "distinct experts of a pass, mean",
                .column_labels = {found.begin(), found.end()},
                .rows = {},
                .cells = {}};
  for (std::size_t arm = 0; arm < arms.rows.size(); ++arm) {
    std::vector<std::optional<double>> cells(plot.column_labels.size());
    for (const std::size_t row : rows_of_arm(layers, text_at(arms, arm, "arm"))) {
      const auto layer = number_at(layers, row, "layer");
      if (!layer) continue;
      const auto column = std::ranges::lower_bound(plot.column_labels, static_cast<std::int64_t>(*layer));
      cells[static_cast<std::size_t>(column - plot.column_labels.begin())] = number_at(layers, row, "experts_woken");
    }
    if (std::ranges::none_of(cells, [](const auto& cell) { return cell.has_value(); })) continue;
    plot.rows.push_back(names[arm]);
    plot.cells.push_back(std::move(cells));
  }
  if (plot.rows.empty()) return {{}, "the target has no layers with routed experts, or they were not counted."};
  return {plot, "The union of the experts that all rows of a pass wake in a layer: what has to be read for one pass."};
}

}  // namespace

FigureKind figure_experts() { return {"experts", "Experts that a pass wakes, by layer", 5, make}; }

}  // namespace specdec
