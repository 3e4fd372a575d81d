#include <algorithm>

#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

constexpr std::size_t kGrey = 7;  // of the series

struct Cost {
  std::string column, axis, words;
};

// What is loaded into the expert cache, if anything was; else what is read at all.
Cost cost_of(const Table& arms) {
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    if (number_at(arms, row, "loaded_mb_per_token").value_or(0) > 0)
      return {"loaded_mb_per_token", "experts loaded again (MB per token)",
              "experts that had to be loaded again into the expert cache"};
  }
  return {"read_mb_per_token", "weights read (MB per token)",
          "all weights that were read, as no expert had to be loaded again"};
}

bool beats(const PlotPoint& one, const PlotPoint& other) {
  return one.x <= other.x && one.y >= other.y && (one.x < other.x || one.y > other.y);
}

PlotOrReason make(const Results& results) {
  const Table& arms = results.table("arms");
  const std::vector<std::string> names = arm_names(results), families = arm_families(results);
  const Cost cost = cost_of(arms);
  ScatterPlot plot{.x = cost.axis, .y = "tokens per pass", .places = {}};
  double plain = 0, plain_count = 0;
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    const auto x = number_at(arms, row, cost.column), y = number_at(arms, row, "tokens_per_pass");
    if (x && y)
      plot.places.push_back({names[row],
                             place_in(distinct(families), families[row]),
                             {*x, *y, span_at(arms, row, "tokens_per_pass")},
                             false});
    if (const auto measured = number_at(arms, row, "plain_" + cost.column)) plain += *measured, ++plain_count;
  }
  if (plot.places.empty()) return {{}, "neither loaded nor read bytes were measured."};
  if (plain_count > 0)
    plot.places.insert(plot.places.begin(), {"plain decoding", kGrey, {plain / plain_count, 1, {}}, false});
  for (PlotPlace& place : plot.places) {
    place.on_front =
        std::ranges::none_of(plot.places, [&](const PlotPlace& other) { return beats(other.point, place.point); });
  }
  return {plot, "What guesses bring against what they cost: " + cost.words +
                    ". Left and up is better; the line joins the arms that no other beats in both."};
}

}  // namespace

FigureKind figure_pareto() { return {"pareto", "Tokens per pass against bytes", 4, make}; }

}  // namespace specdec
