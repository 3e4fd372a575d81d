// Tables as HTML.
#pragma once

#include <string>
#include <string_view>

#include "experiments/result_table.h"

namespace specdec {

// With the class "sortable": a page's script may sort it, by data-value of each cell. Numbers have four digits.
std::string html_table(const Table& table, std::string_view id);

// As pandas writes them: what a notebook shows. No more than the first rows.
std::string html_frame(const Table& table, std::size_t most_rows);

}  // namespace specdec
