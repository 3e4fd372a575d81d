#include "cli/run_picture.h"

#include <fmt/format.h>

#include "cli/line_chart.h"

namespace specdec {

std::string picture_of(const RunReport& report) {
  const std::string lossy = report.lossy_by.empty() ? "" : fmt::format("; lossy, by {}", report.lossy_by);
  LineChart chart{
      .title = fmt::format("{}, guessed by {}: {} passes, {:.2f} tokens each{}", report.target.name,
                           report.drafter.spec.kind, report.tally.steps, report.tally.tokens_per_pass, lossy),
      .x = "layer",
      .y = "distinct experts of a pass, mean; dashed: if routing were even",
      .lines = {}};
  const auto add = [&](const char* name, double LayerTally::*count, bool dashed) {
    ChartLine& line = chart.lines.emplace_back(ChartLine{name, {}, dashed});
    for (const LayerTally& layer : report.tally.layers) line.points.emplace_back(layer.layer, layer.*count);
  };
  add("woken", &LayerTally::woken, false);
  add("needed by rows that stayed", &LayerTally::accepted, false);
  add("only by rows thrown away", &LayerTally::rejected_only, false);
  add("woken", &LayerTally::uniform, true);
  return svg_of(chart);
}

}  // namespace specdec
