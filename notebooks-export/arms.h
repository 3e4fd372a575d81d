// How arms are called in figures, and which of them belong together.
#pragma once

#include <string>
#include <vector>

#include "experiments/result_table.h"

namespace specdec {

// Row by row of the table `arms`: its label, and whether it may change what the target says.
std::vector<std::string> arm_names(const Results& results);

// Row by row: what the arm has in common with those that differ from it in k alone, "mtp temperature=0.7".
std::vector<std::string> arm_families(const Results& results);

// The different ones, in the order in which they come first.
std::vector<std::string> distinct(const std::vector<std::string>& names);

std::size_t place_in(const std::vector<std::string>& names, const std::string& name);

// Of the rows of a table with a column `arm`, those of this arm.
std::vector<std::size_t> rows_of_arm(const Table& table, const std::string& arm);

}  // namespace specdec
