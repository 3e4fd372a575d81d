// Two arms, or two groups of them, on the prompts that both measured, all repeats of a prompt together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/interval.h"
#include "experiments/stored_arms.h"

namespace specdec {

struct ArmComparison {
  std::string first, second;  // labels
  std::int64_t pairs = 0;
  Interval speed;            // of the second, relative to the first, both relative to plain decoding beside them
  Interval tokens_per_pass;  // of the second, relative to the first
  std::string verdict;       // a sentence
};
// Throws Error if they share no prompt of one set.
ArmComparison compare_arms(const ResultStore& store, const StoredExperiment& first_experiment,
                           const std::vector<Condition>& first, const StoredExperiment& second_experiment,
                           const std::vector<Condition>& second);

}  // namespace specdec
