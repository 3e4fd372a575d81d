#include "draft/depths.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace specdec {

std::vector<int> take_depths(Options& options, const char* owner, std::vector<double> otherwise) {
  std::vector<int> depths;
  for (const double depth : options.numbers("depths", std::move(otherwise), 0, 64)) {
    if (depth != std::floor(depth) || (!depths.empty() && depth <= depths.back())) {
      throw UsageError("{}: depths: expected whole numbers, ascending, such as 0/1/3/5", owner);
    }
    depths.push_back(static_cast<int>(depth));
  }
  if (depths.back() == 0) throw UsageError("{}: depths=0 guesses nothing; plain decoding is --draft none", owner);
  return depths;
}

}  // namespace specdec
