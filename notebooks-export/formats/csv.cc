#include "notebooks-export/csv_text.h"
#include "notebooks-export/export_format.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/summary.h"

namespace specdec {
namespace {

std::vector<ExportFile> write(const Results& results) {
  Table said{"about", "", {{"name", "", ""}, {"value", "", ""}}, {}};
  for (const auto& [name, value] : about(results)) said.rows.push_back({name, value});
  const std::string stem = file_stem(results);
  std::vector<ExportFile> files;
  const auto add = [&](const Table& table) { files.push_back({stem + "-" + table.name + ".csv", csv_text(table)}); };
  for (const Table& table : results.tables) add(table);
  add(codebook_of(results));
  add(said);
  return files;
}

}  // namespace

ExportFormat export_csv() {
  return {"csv", "a file per table for spreadsheets, with a codebook and the provenance", "csv", write};
}

}  // namespace specdec
