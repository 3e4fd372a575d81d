// From the words of a command line to the exit code of the command that they name.
#pragma once

#include <span>
#include <string>

namespace specdec {

// Throws UsageError when the words make no command, Error when the command fails.
int run_command_line(std::span<const std::string> words);

}  // namespace specdec
