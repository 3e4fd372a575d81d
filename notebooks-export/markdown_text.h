// Words and tables as Markdown that GitHub and Jupyter render alike.
#pragma once

#include <string>
#include <string_view>

#include "experiments/result_table.h"

namespace specdec {

// On one line, with what would be markup, HTML or a formula escaped.
std::string markdown_words(std::string_view text);

// In backquotes, whatever is in it.
std::string markdown_code(std::string_view text);

std::string markdown_table(const Table& table);  // numbers with four digits

// Question, method, finding and warnings, a paragraph each.
std::string markdown_opening(const Results& results);
std::string markdown_codebook(const Results& results);
std::string markdown_provenance(const Results& results);

}  // namespace specdec
