#include "notebooks-export/csv_text.h"

#include "notebooks-export/cells.h"

namespace specdec {
namespace {

std::string quoted_field(std::string_view text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

std::string csv_text(const Table& table, std::string_view line_end) {
  std::string text;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    text.append(i > 0 ? "," : "").append(quoted_field(table.columns[i].name));
  text += line_end;
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      text.append(i > 0 ? "," : "").append(is_text(row[i]) ? quoted_field(text_of(row[i])) : text_of(row[i]));
    text += line_end;
  }
  return text;
}

}  // namespace specdec
