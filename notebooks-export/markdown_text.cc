#include "notebooks-export/markdown_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "notebooks-export/cells.h"
#include "notebooks-export/markup.h"
#include "notebooks-export/summary.h"

namespace specdec {

std::string markdown_words(std::string_view text) {
  std::string words;
  for (const char c : markup(text)) {
    if (std::string_view("\\`*_[]|$~#").find(c) != std::string_view::npos) words += '\\';
    words += c;
  }
  return words;
}

std::string markdown_code(std::string_view text) {
  std::string code;
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    if (c == '|') code += '\\';  // a table would end its cell here
    code += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  if (code.empty()) return code;
  const std::string fence(longest + 1, '`');
  const std::string_view pad = longest > 0 ? " " : "";
  return fmt::format("{}{}{}{}{}", fence, pad, code, pad, fence);
}

std::string markdown_table(const Table& table) {
  if (table.rows.empty()) return "No rows.\n";
  std::string text = "|", rule = "|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    text += fmt::format(" {} |", markdown_words(table.columns[i].name));
    rule += has_words(table, i) ? " --- |" : " ---: |";
  }
  text += fmt::format("\n{}\n", rule);
  for (const auto& row : table.rows) {
    text += "|";
    for (const Cell& cell : row) text += fmt::format(" {} |", markdown_words(short_text(cell)));
    text += "\n";
  }
  return text;
}

std::string markdown_opening(const Results& results) {
  std::string text = fmt::format("# {}\n\n**Question.** {}\n\n**Finding.** {}\n\n**Method.** {}\n",
                                 markdown_words(results.experiment), markdown_words(results.question),
                                 markdown_words(finding_of(results)), markdown_words(results.method));
  for (const std::string& warning : results.warnings)
    text += fmt::format("\n> **Warning.** {}\n", markdown_words(warning));
  return text;
}

std::string markdown_codebook(const Results& results) {
  std::string text = "## Codebook\n";
  for (const Table& table : results.tables) {
    text += fmt::format("\n### {}\n\n{}\n\n| column | unit | meaning |\n| --- | --- | --- |\n",
                        markdown_words(table.name), markdown_words(table.meaning));
    for (const Column& column : table.columns)
      text += fmt::format("| {} | {} | {} |\n", markdown_code(column.name), markdown_words(column.unit),
                          markdown_words(column.meaning));
  }
  return text;
}

std::string markdown_provenance(const Results& results) {
  std::string text = "## Provenance\n\n| what | value |\n| --- | --- |\n";
  for (const auto& [name, value] : results.provenance)
    text += fmt::format("| {} | {} |\n", markdown_words(name), markdown_words(value));
  return text;
}

}  // namespace specdec
