// Text inside of SVG: what would be markup is escaped, control characters are left out.
#pragma once

#include <string>
#include <string_view>

namespace specdec {

std::string svg_text(std::string_view text);

}  // namespace specdec
