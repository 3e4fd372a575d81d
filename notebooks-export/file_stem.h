// The name of an experiment as part of a file name: letters, digits, '.', '_' and '-', and no dot in front.
#pragma once

#include <string>
#include <string_view>

namespace specdec {

std::string file_stem(std::string_view experiment);

}  // namespace specdec
