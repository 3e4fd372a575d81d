// What an experiment found, with where it comes from and what to know before it is believed.
//   const Results results = results_of(store, find_experiment(store, "depth"));
#pragma once

#include <vector>

#include "experiments/result_table.h"
#include "experiments/stored_arms.h"

namespace specdec {

// Throws Error if no arm meets all conditions.
Results results_of(const ResultStore& store, const StoredExperiment& experiment,
                   const std::vector<Condition>& conditions = {});

}  // namespace specdec
