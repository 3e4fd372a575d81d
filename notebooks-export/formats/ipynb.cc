#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/kinds.h"
#include "notebooks-export/base64.h"
#include "notebooks-export/cells.h"
#include "notebooks-export/csv_text.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/figure.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/html_text.h"
#include "notebooks-export/markdown_text.h"
#include "notebooks-export/markup.h"
#include "notebooks-export/notebook/notebook.h"
#include "notebooks-export/summary.h"
#include "notebooks-export/svg_canvas.h"
#include "notebooks-export/svg_plot.h"

namespace specdec {
namespace {

constexpr std::size_t kReadableBytes = 1 << 16;  // data beyond it would bury the figures and is compressed
constexpr std::size_t kShownRows = 50;

// Words, or a list of them, as Python writes them too: JSON, with all letters as they are.
std::string python_words(const nlohmann::json& words) {
  return words.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The tables as Python, a statement each.
std::string data_of(const Results& results) {
  std::size_t bytes = 0;
  std::vector<std::string> texts;
  for (const Table& table : results.tables) {
    texts.push_back(csv_text(table, "\n"));
    bytes += texts.back().size();
  }
  std::string source =
      fmt::format("EXPERIMENT = {}\nAXES = {}\n", python_words(results.experiment), python_words(results.axes));
  for (std::size_t i = 0; i < results.tables.size(); ++i) {
    const Table& table = results.tables[i];
    std::vector<std::string> words;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      if (has_words(table, column)) words.push_back(table.columns[column].name);
    }
    source +=
        fmt::format("{} = table({}, words={})\n", table.name,
                    bytes > kReadableBytes ? packed_python_text(texts[i]) : python_text(texts[i]), python_words(words));
  }
  return source;
}

NotebookOutput frame_output(const Table& table) {
  return {{"text/html", html_frame(table, kShownRows)},
          {"text/plain", fmt::format("{} rows x {} columns", table.rows.size(), table.columns.size())}};
}

void add_figure(Notebook& notebook, const ResultFigure& figure) {
  const std::string name(figure.name), title = fmt::format("## {}\n\n", markdown_words(figure.title));
  if (!figure.shown.plot) {
    notebook.markdown("about-" + name, title + "Not shown: " + markdown_words(figure.shown.words));
    return;
  }
  notebook.markdown("about-" + name, title + markdown_words(figure.shown.words));
  const std::string picture = standalone(svg_of(*figure.shown.plot, kWideFigure, figure.title));
  // JupyterLab shows no SVG of a notebook that it does not trust, but pictures in HTML:
  // https://github.com/jupyterlab/jupyterlab/issues/10464
  const std::string image =
      fmt::format("<img alt=\"{}\" src=\"data:image/svg+xml;base64,{}\">", markup(figure.title), base64(picture));
  notebook.code(name, figure.script,
                {{"image/svg+xml", picture}, {"text/html", image}, {"text/plain", std::string(figure.title)}});
}

std::vector<ExportFile> write(const Results& results) {
  Notebook notebook;
  notebook.markdown("opening", markdown_opening(results) +
                                   "\nTables and figures below are as exported. Running all cells draws them again "
                                   "from the data in this notebook; it needs pandas and matplotlib.");
  notebook.hidden_code("setup", find_kind(notebook_files(), "script", "setup").text);
  notebook.hidden_code("data", data_of(results));
  notebook.markdown("about-summary", "## Summary");
  const Table summary = summary_of(results);
  std::vector<std::string> columns;
  for (const Column& column : summary.columns) columns.push_back(column.name);
  notebook.code("summary", fmt::format("arms[{}]", python_words(columns)), frame_output(summary));
  for (const ResultFigure& figure : figures_of(results)) add_figure(notebook, figure);
  for (const Table& table : results.tables) {
    notebook.markdown("about-table-" + table.name,
                      fmt::format("## Table: {}\n\n{}", markdown_words(table.name), markdown_words(table.meaning)));
    notebook.code("table-" + table.name, table.name, frame_output(table));
  }
  notebook.markdown("codebook", markdown_codebook(results));
  notebook.markdown("provenance", markdown_provenance(results));
  return {{file_stem(results) + ".ipynb", notebook.json()}};
}

}  // namespace

ExportFormat export_ipynb() {
  return {"ipynb", "a Jupyter notebook with the data in it, to read as it is and to work on", "ipynb", write};
}

}  // namespace specdec
