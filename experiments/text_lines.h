// The lines of a text, without their ends.
#pragma once

#include <cstddef>
#include <string_view>

namespace specdec {

// see(line, its number from 1)
template <typename See>
void for_each_line(std::string_view rest, const See& see) {
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    see(line, number);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
}

}  // namespace specdec
