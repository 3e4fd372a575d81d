// Runs a program as a user does, and keeps what it says.
//   ProgramResult result = run_program({SPECDEC_PROGRAM, "models"});
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace specdec {

struct ProgramResult {
  int exit_code = -1;  // 128 + the signal's number if it was killed
  std::string output;  // stdout and stderr, in the order written
};

// Standard input is empty. A program that cannot be started gives exit code 127. One that has said so many bytes gets
// Ctrl-C, once.
ProgramResult run_program(std::vector<std::string> command,
                          std::size_t interrupt_after = std::numeric_limits<std::size_t>::max());

}  // namespace specdec
