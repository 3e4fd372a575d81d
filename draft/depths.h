// Depths of drafts that a policy chooses among.
#pragma once

#include <vector>

#include "draft/options.h"

namespace specdec {

// depths=0/1/3/5: ascending, 0 guesses nothing. Throws UsageError.
std::vector<int> take_depths(Options& options, const char* owner, std::vector<double> otherwise);

}  // namespace specdec
