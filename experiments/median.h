// The middle of a few measured values: what a disturbance of some of them does not move.
#pragma once

#include <algorithm>
#include <vector>

namespace specdec {

// The upper one of the two in the middle if there are two. `values` is not empty.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace specdec
