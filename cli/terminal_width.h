// Lines that are written over each other must not wrap: they are cut to what the terminal has room for.
//   fmt::print("\r\x1b[K{}", cut_to_width(line, terminal_width(STDOUT_FILENO) - 1));
#pragma once

#include <string>
#include <string_view>

namespace specdec {

int terminal_width(int file);  // in characters: of the terminal, else COLUMNS, else 80

// At most so many characters of a UTF-8 text; where something goes, an ellipsis is the last.
std::string cut_to_width(std::string_view text, int width);

}  // namespace specdec
