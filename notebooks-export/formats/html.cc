#include <fmt/format.h>

#include "core/kinds.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/figure.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/html_text.h"
#include "notebooks-export/markup.h"
#include "notebooks-export/page/page.h"
#include "notebooks-export/summary.h"
#include "notebooks-export/svg_canvas.h"
#include "notebooks-export/svg_plot.h"

namespace specdec {
namespace {

std::string_view file(std::string_view name) { return find_kind(page_files(), "file", name).text; }

std::string head_of(const Results& results) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n"
      "<link rel=\"icon\" href=\"data:,\">\n<style>\n{}{}</style>\n</head>\n",
      markup(results.experiment), file("style"), svg_style());
}

std::string opening_of(const Results& results) {
  std::string html = fmt::format(
      "<h1>{}</h1>\n<p><strong>Question.</strong> {}</p>\n<p class=\"finding\"><strong>Finding.</strong> {}</p>\n",
      markup(results.experiment), markup(results.question), markup(finding_of(results)));
  for (const std::string& warning : results.warnings)
    html += fmt::format("<p class=\"warning\"><strong>Warning.</strong> {}</p>\n", markup(warning));
  return html + fmt::format("<p><strong>Method.</strong> {}</p>\n", markup(results.method));
}

std::string html_of(const ResultFigure& figure) {
  const std::string words = markup(figure.shown.words);
  std::string html = fmt::format("<section id=\"figure-{}\">\n<h2>{}</h2>\n", figure.name, markup(figure.title));
  if (!figure.shown.plot) return html + fmt::format("<p class=\"soft\">Not shown: {}</p>\n</section>\n", words);
  html += fmt::format("<figure>\n<figcaption>{}</figcaption>\n", words);
  for (const auto& [name, width] : {std::pair{"wide", kWideFigure}, std::pair{"narrow", kNarrowFigure}})
    html += fmt::format("<div class=\"{}\">\n{}</div>\n", name, svg_of(*figure.shown.plot, width, figure.title));
  return html + "</figure>\n</section>\n";
}

std::string folded(const Table& table) {
  return fmt::format(
      "<details>\n<summary>{} <span class=\"soft\">({} rows)</span></summary>\n<p>{}</p>\n{}</details>\n",
      markup(table.name), table.rows.size(), markup(table.meaning), html_table(table, table.name));
}

std::string provenance_of(const Results& results) {
  std::string html = "<h2>Provenance</h2>\n<dl>\n";
  for (const auto& [name, value] : results.provenance)
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", markup(name), markup(value));
  return html + "</dl>\n";
}

std::vector<ExportFile> write(const Results& results) {
  std::string html = head_of(results) + "<body>\n<main>\n" + opening_of(results) + "<h2>Summary</h2>\n" +
                     html_table(summary_of(results), "summary");
  for (const ResultFigure& figure : figures_of(results)) html += html_of(figure);
  html += "<h2>Tables</h2>\n<p class=\"soft\">Press the head of a column to sort by it.</p>\n";
  for (const Table& table : results.tables) html += folded(table);
  html +=
      "<h2>Codebook</h2>\n<div class=\"wrap\">" + folded(codebook_of(results)) + "</div>\n" + provenance_of(results);
  html += fmt::format("</main>\n<script>\n{}</script>\n</body>\n</html>\n", file("sort"));
  return {{file_stem(results) + ".html", html}};
}

}  // namespace

ExportFormat export_html() {
  return {"html", "one page with figures and sortable tables, which opens offline and on a phone", "html", write};
}

}  // namespace specdec
