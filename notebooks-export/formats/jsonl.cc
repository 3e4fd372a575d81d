#include <nlohmann/json.hpp>

#include "notebooks-export/export_format.h"
#include "notebooks-export/file_stem.h"
#include "notebooks-export/summary.h"

namespace specdec {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Cell& cell) {
  return std::visit(
      [](const auto& value) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
          return nullptr;
        } else {
          return value;
        }
      },
      cell);
}

std::string line_of(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string lines_of(const Table& table) {
  std::string lines;
  for (const auto& row : table.rows) {
    Json object{{"table", table.name}};
    for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i].name] = json_of(row[i]);
    lines += line_of(object);
  }
  return lines;
}

std::string codebook_lines(const Results& results) {
  std::string lines;
  for (const Table& table : results.tables) {
    for (const Column& column : table.columns)
      lines += line_of({{"table", "codebook"},
                        {"of", table.name},
                        {"column", column.name},
                        {"unit", column.unit},
                        {"meaning", column.meaning}});
  }
  return lines;
}

std::vector<ExportFile> write(const Results& results) {
  std::string text;
  for (const auto& [name, value] : about(results))
    text += line_of({{"table", "about"}, {"name", name}, {"value", value}});
  text += codebook_lines(results);
  for (const Table& table : results.tables) text += lines_of(table);
  return {{file_stem(results) + ".jsonl", text}};
}

}  // namespace

ExportFormat export_jsonl() {
  return {"jsonl", "an object per row with the name of its table, for scripts", "jsonl", write};
}

}  // namespace specdec
