// A file that the program brings along: CMake writes tables of them.
#pragma once

#include <string_view>

namespace specdec {

struct NamedText {
  std::string_view name, text;
};

}  // namespace specdec
