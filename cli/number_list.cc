#include "cli/number_list.h"

#include <charconv>

#include "core/error.h"

namespace specdec {

std::vector<int> parse_whole_numbers(std::string_view option, const std::string& text) {
  std::vector<int> numbers;
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at <= end; ++at) {
    int number = 0;
    const auto [next, failed] = std::from_chars(at, end, number);
    if (failed != std::errc{} || (next != end && *next != ',')) {
      throw UsageError("{} {}: item {} is no whole number; expected a list such as 1,2,3", option, text,
                       numbers.size());
    }
    numbers.push_back(number);
    at = next;
  }
  return numbers;
}

}  // namespace specdec
