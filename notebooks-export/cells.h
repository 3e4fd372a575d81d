// Cells of a table as numbers and as words to read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/result_table.h"

namespace specdec {

std::optional<double> number_of(const Cell& cell);  // none: not measured, or words
bool is_text(const Cell& cell);

std::optional<double> number_at(const Table& table, std::size_t row, std::string_view column);
std::string text_at(const Table& table, std::size_t row, std::string_view column);

// Four digits, as one writes them by hand: 0.8312, 1.25, 23457.
std::string short_number(double number);
std::string short_text(const Cell& cell);

// Whether some cell of the column was measured.
bool has_values(const Table& table, std::size_t column);

// Columns with words in them: a reader must not take "007" or "NA" for numbers.
bool has_words(const Table& table, std::size_t column);

}  // namespace specdec
