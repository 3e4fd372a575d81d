// Results as an experiment gives them, made up: for tests of exports.
//   const Results results = sample_results();
#pragma once

#include "experiments/result_table.h"

namespace specdec {

// Twelve arms, 3 drafters by 4 lengths of guess, on a target of 12 layers with routed experts and an expert cache.
Results sample_results();

// Four arms for each drafter, with long labels.
Results crowded_results(int drafters, int layers);

// Its labels, sentences and provenance hold what a format could take for its own: quotes, commas, line ends, markup,
// formulas, letters of other scripts.
Results hostile_results();

// The same tables without a row.
Results empty_results();

}  // namespace specdec
