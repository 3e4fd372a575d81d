#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

PlotOrReason make(const Results& results) {
  const Table& arms = results.table("arms");
  const std::vector<std::string> names = arm_names(results);
  DotPlot plot{.x = "speed-up over plain decoding (times)", .reference = 1, .reference_name = "plain", .dots = {}};
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    if (const auto value = number_at(arms, row, "speed_up"))
      plot.dots.push_back({names[row], *value, span_at(arms, row, "speed_up")});
  }
  if (plot.dots.empty()) return {{}, "no arm was timed beside plain decoding."};
  return {plot,
          "Time of plain decoding over time with guesses, in pairs of the same text; bars are 95 % intervals. Right of "
          "the line at 1, guessing pays."};
}

}  // namespace

FigureKind figure_speed_up() { return {"speed_up", "Speed-up over plain decoding", 1, make}; }

}  // namespace specdec
