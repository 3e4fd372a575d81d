// A table as comma-separated values (RFC 4180): a header, then the rows. What was not measured is an empty field, an
// empty text is a quoted one.
#pragma once

#include <string>
#include <string_view>

#include "experiments/result_table.h"

namespace specdec {

std::string csv_text(const Table& table, std::string_view line_end = "\r\n");

}  // namespace specdec
