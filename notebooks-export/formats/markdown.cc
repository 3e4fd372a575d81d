#include <fmt/format.h>

#include "notebooks-export/export_format.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/markdown_text.h"
#include "notebooks-export/summary.h"

namespace specdec {
namespace {

std::vector<ExportFile> write(const Results& results) {
  std::string text = markdown_opening(results) + "\n## Summary\n\n" + markdown_table(summary_of(results));
  for (const Table& table : results.tables) {
    text += fmt::format("\n## {}\n\n{}\n\n{}", markdown_words(table.name), markdown_words(table.meaning),
                        markdown_table(table));
  }
  text += fmt::format("\n{}\n{}", markdown_codebook(results), markdown_provenance(results));
  return {{file_stem(results) + ".md", text}};
}

}  // namespace

ExportFormat export_markdown() { return {"markdown", "tables to paste into a text, without figures", "md", write}; }

}  // namespace specdec
