// Text inside of SVG and HTML, in elements and in quoted attributes: what would be markup is escaped, line ends and
// tabs are spaces, other control characters are left out.
#pragma once

#include <string>
#include <string_view>

namespace specdec {

std::string markup(std::string_view text);

}  // namespace specdec
