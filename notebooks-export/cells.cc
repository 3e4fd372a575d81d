#include "notebooks-export/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace specdec {

std::optional<double> number_of(const Cell& cell) {
  if (const auto* whole = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&cell); number && std::isfinite(*number)) return *number;
  return std::nullopt;
}

bool is_text(const Cell& cell) { return std::holds_alternative<std::string>(cell); }

std::optional<double> number_at(const Table& table, std::size_t row, std::string_view column) {
  return number_of(table.rows[row][table.column(column)]);
}

std::string text_at(const Table& table, std::size_t row, std::string_view column) {
  return text_of(table.rows[row][table.column(column)]);
}

std::string short_number(double number) {
  if (std::abs(number) >= 1000) return fmt::format("{:.0f}", number);
  return fmt::format("{:.4g}", number);
}

std::string short_text(const Cell& cell) {
  const auto* number = std::get_if<double>(&cell);
  return number ? short_number(*number) : text_of(cell);
}

bool has_values(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const auto& row) {
    const auto* words = std::get_if<std::string>(&row[column]);
    return words ? !words->empty() : !std::holds_alternative<std::monostate>(row[column]);
  });
}

bool has_words(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const auto& row) { return is_text(row[column]); });
}

}  // namespace specdec
