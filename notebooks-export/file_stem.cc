#include "notebooks-export/file_stem.h"

#include <fmt/format.h>

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

std::string file_stem(const Results& results) {
  const std::string stem = file_stem(results.experiment);
  return results.short_id.empty() ? stem : fmt::format("{}-{}", stem, results.short_id);
}

}  // namespace specdec
