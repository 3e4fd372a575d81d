#include "notebooks-export/arms.h"

#include <fmt/format.h>

#include <algorithm>

#include "notebooks-export/cells.h"

namespace specdec {
namespace {

bool varies(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const auto& row) { return row[column] != table.rows.front()[column]; });
}

}  // namespace

std::vector<std::string> arm_names(const Results& results) {
  const Table& arms = results.table("arms");
  std::vector<std::string> names;
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    const bool lossy = number_at(arms, row, "lossless") == 0.0;
    names.push_back(text_at(arms, row, "arm") + (lossy ? " (lossy)" : ""));
  }
  return names;
}

std::vector<std::string> arm_families(const Results& results) {
  const Table& arms = results.table("arms");
  std::vector<std::string> families(arms.rows.size());
  for (const std::string& axis : results.axes) {
    const std::size_t column = arms.column(axis);
    if (axis == "k" || !varies(arms, column)) continue;
    for (std::size_t row = 0; row < arms.rows.size(); ++row) {
      const Cell& cell = arms.rows[row][column];
      const std::string value = is_text(cell) ? text_of(cell) : fmt::format("{}={}", axis, short_text(cell));
      if (std::holds_alternative<std::monostate>(cell) || value.empty()) continue;
      families[row] += (families[row].empty() ? "" : " ") + value;
    }
  }
  for (std::string& family : families) {
    if (family.empty()) family = results.experiment;
  }
  return families;
}

std::vector<std::string> distinct(const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (std::ranges::find(found, name) == found.end()) found.push_back(name);
  }
  return found;
}

std::size_t place_in(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

std::vector<std::size_t> rows_of_arm(const Table& table, const std::string& arm) {
  const std::size_t column = table.column("arm");
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (text_of(table.rows[row][column]) == arm) rows.push_back(row);
  }
  return rows;
}

}  // namespace specdec
