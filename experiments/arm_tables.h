// The tables of arms, counted from their trials.
#pragma once

#include <vector>

#include "experiments/result_table.h"
#include "experiments/stored_arms.h"

namespace specdec {

// In the order of Results::tables.
std::vector<Table> tables_of(const std::vector<StoredArm>& arms, const StoredExperiment& experiment,
                             const std::vector<StoppedArm>& stopped);

}  // namespace specdec
