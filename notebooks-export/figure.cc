#include "notebooks-export/figure.h"

#include <algorithm>

#include "core/kinds.h"
#include "notebooks-export/cells.h"

namespace specdec {

std::vector<ResultFigure> figures_of(const Results& results) {
  std::vector<FigureKind> kinds(figure_kinds().begin(), figure_kinds().end());
  std::ranges::sort(kinds, {}, &FigureKind::place);
  std::vector<ResultFigure> figures;
  for (const FigureKind& kind : kinds) {
    figures.push_back(
        {kind.name, kind.summary, find_kind(figure_scripts(), "script", kind.name).text, kind.make(results)});
  }
  return figures;
}

std::optional<PlotSpan> span_at(const Table& table, std::size_t row, const std::string& column) {
  const auto low = number_at(table, row, column + "_low"), high = number_at(table, row, column + "_high");
  if (!low || !high) return std::nullopt;
  return PlotSpan{*low, *high};
}

}  // namespace specdec
