// The name of an experiment as part of a file name: letters, digits, '.', '_' and '-', and no dot in front.
#pragma once

#include <string>
#include <string_view>

#include "experiments/result_table.h"

namespace specdec {

std::string file_stem(std::string_view experiment);
std::string file_stem(const Results& results);  // with its short id, if it has one

}  // namespace specdec
