// Lists of numbers as options take them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace specdec {

// "1,2,3". Throws UsageError naming the option and the item that is no whole number.
std::vector<int> parse_whole_numbers(std::string_view option, const std::string& text);

}  // namespace specdec
