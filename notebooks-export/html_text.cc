#include "notebooks-export/html_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "notebooks-export/cells.h"
#include "notebooks-export/markup.h"

namespace specdec {
namespace {

std::string html_cell(const Cell& cell) {
  if (is_text(cell)) return fmt::format("<td class=\"words\">{}</td>", markup(text_of(cell)));
  if (std::holds_alternative<std::monostate>(cell)) return "<td></td>";
  return fmt::format("<td data-value=\"{0}\" title=\"{0}\">{1}</td>", text_of(cell), short_text(cell));
}

}  // namespace

std::string html_table(const Table& table, std::string_view id) {
  std::string html = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table {0}\">\n"
      "<table class=\"sortable\" id=\"{0}\">\n<thead><tr>",
      markup(id));
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    html += fmt::format(
        "<th scope=\"col\"{} data-column=\"{}\"><button type=\"button\" title=\"{}\">{}{}</button></th>",
        has_words(table, i) ? " class=\"words\"" : "", markup(column.name), markup(column.meaning), markup(column.name),
        column.unit.empty() ? "" : fmt::format(" <span class=\"unit\">{}</span>", markup(column.unit)));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (const Cell& cell : row) html += html_cell(cell);
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

std::string html_frame(const Table& table, std::size_t most_rows) {
  std::string html = "<table border=\"1\" class=\"dataframe\">\n<thead><tr>";
  for (const Column& column : table.columns) html += fmt::format("<th>{}</th>", markup(column.name));
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t row = 0; row < std::min(most_rows, table.rows.size()); ++row) {
    html += "<tr>";
    for (const Cell& cell : table.rows[row]) html += fmt::format("<td>{}</td>", markup(short_text(cell)));
    html += "</tr>\n";
  }
  html += "</tbody>\n</table>\n";
  if (table.rows.size() > most_rows)
    html += fmt::format("<p>The first {} of {} rows.</p>\n", most_rows, table.rows.size());
  return html;
}

}  // namespace specdec
