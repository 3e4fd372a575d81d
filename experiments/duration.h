// Spans of time as people say them.
#pragma once

#include <string>

namespace specdec {

std::string duration_text(double seconds);  // "7 s", "12 min", "3.4 h", "5 days"

}  // namespace specdec
