// Which process does something, so that others can tell whether it still lives.
#pragma once

#include <string>

namespace specdec {

std::string this_process();  // its number, when it started and since which start of the machine
// False for a process of another start of the machine, and of another machine: a store is for the processes of one.
bool process_lives(const std::string& process);

}  // namespace specdec
