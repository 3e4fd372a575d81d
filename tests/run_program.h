// Runs a program as a user does, and keeps what it says.
//   ProgramResult result = run_program({SPECDEC_PROGRAM, "models"});
#pragma once

#include <string>
#include <vector>

namespace specdec {

struct ProgramResult {
  int exit_code = -1;  // 128 + the signal's number if it was killed
  std::string output;  // stdout and stderr, in the order written
};

// Standard input is empty. A program that cannot be started gives exit code 127.
ProgramResult run_program(std::vector<std::string> command);

}  // namespace specdec
