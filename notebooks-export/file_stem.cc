#include "notebooks-export/file_stem.h"

namespace specdec {

std::string file_stem(std::string_view experiment) {
  std::string stem;
  for (const char c : experiment.substr(0, 100)) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || (c == '.' && !stem.empty());
    if (safe || !stem.ends_with('-')) stem += safe ? c : '-';
  }
  return stem.empty() ? "results" : stem;
}

}  // namespace specdec
