// Figures of results. A figure is two files, notebooks-export/figures/<name>.cc, which says what is shown, and
// <name>.py, which draws the same in a notebook from the tables.
//   for (const ResultFigure& figure : figures_of(results)) …
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/named_text.h"
#include "experiments/result_table.h"
#include "notebooks-export/plot.h"

namespace specdec {

struct PlotOrReason {
  std::optional<Plot> plot;
  std::string words;  // a caption; without a plot, a sentence that says what was missing
};

struct FigureKind {
  std::string_view name, summary;  // the summary is its title
  int place;                       // where it stands among the others: from 1
  PlotOrReason (*make)(const Results&);
};
std::span<const FigureKind> figure_kinds();   // generated from figures/*.cc
std::span<const NamedText> figure_scripts();  // generated from figures/*.py

struct ResultFigure {
  std::string_view name, title, script;
  PlotOrReason shown;
};

std::vector<ResultFigure> figures_of(const Results& results);

// Of <column>_low and <column>_high, where the table has both.
std::optional<PlotSpan> span_at(const Table& table, std::size_t row, const std::string& column);

}  // namespace specdec
