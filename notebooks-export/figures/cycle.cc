#include <array>

#include "notebooks-export/arms.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/figure.h"

namespace specdec {
namespace {

constexpr std::array kParts{"guess", "look", "judge", "keep", "tell"};

PlotOrReason make(const Results& results) {
  const Table& arms = results.table("arms");
  const std::vector<std::string> names = arm_names(results);
  StackPlot plot{
      .x = "time of a pass (ms)", .mark_name = "a plain pass", .parts = {kParts.begin(), kParts.end()}, .rows = {}};
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    PlotStack stack{names[row], {}, {}};
    double total = 0;
    for (const std::string& part : plot.parts) {
      stack.parts.push_back(number_at(arms, row, part + "_ms_per_pass").value_or(0));
      total += stack.parts.back();
    }
    const double plain = number_at(arms, row, "plain_tokens_per_s").value_or(0);
    if (plain > 0) stack.mark = 1000 / plain;
    if (total > 0) plot.rows.push_back(std::move(stack));
  }
  if (plot.rows.empty()) return {{}, "the steps of a pass were not timed."};
  return {
      plot,
      "One cycle: guess, look (the pass of the target over all guesses), judge, keep, tell. The mark is what a pass "
      "of plain decoding takes."};
}

}  // namespace

FigureKind figure_cycle() { return {"cycle", "Where the time of a pass goes", 6, make}; }

}  // namespace specdec
