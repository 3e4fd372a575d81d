#include <fmt/format.h>

#include "notebooks-export/export_format.h"
#include "notebooks-export/figure.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/markdown_text.h"
#include "notebooks-export/summary.h"
#include "notebooks-export/svg_canvas.h"
#include "notebooks-export/svg_plot.h"

namespace specdec {
namespace {

std::vector<ExportFile> write(const Results& results) {
  const std::string stem = file_stem(results);
  std::string text = fmt::format("{}\n{}", markdown_opening(results), markdown_table(summary_of(results)));
  std::vector<ExportFile> files(1);
  for (const ResultFigure& figure : figures_of(results)) {
    if (!figure.shown.plot) continue;
    const std::string name = fmt::format("{}-{}.svg", stem, file_stem(std::string(figure.name)));
    files.push_back({name, standalone(svg_of(*figure.shown.plot, kWideFigure, figure.title))});
    text += fmt::format("\n## {}\n\n![{}]({})\n\n{}\n", markdown_words(figure.title), markdown_words(figure.title),
                        name, markdown_words(figure.shown.words));
  }
  text += fmt::format("\n{}\n{}", markdown_codebook(results), markdown_provenance(results));
  files.front() = {stem + "-report.md", text};
  return files;
}

}  // namespace

ExportFormat export_report() {
  return {"report", "an answer for a folder of documents: a page of Markdown and its figures as SVG", "md", write};
}

}  // namespace specdec
