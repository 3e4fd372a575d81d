// Two arms, or two groups of them, on the prompts that both measured, all repeats of a prompt together. A prompt is its
// text, whatever its name and the file it stands in.
//   const ArmComparison found = compare_arms(store, depth, {parse_condition("k=2")}, depth, {parse_condition("k=4")});
//   found.speed.value; found.verdict; pairing_text(found);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/interval.h"
#include "experiments/stored_arms.h"

namespace specdec {

struct ComparedSide {
  std::string label;
  std::int64_t alone = 0;    // prompts that the other has not measured
  std::int64_t unknown = 0;  // prompts of trials that kept no hash of their texts
};

struct ArmComparison {
  ComparedSide first, second;
  std::int64_t pairs = 0;
  std::int64_t renamed = 0;  // of the prompts of the first alone: the second has another text of this name
  Interval speed;            // of the second, relative to the first, both relative to plain decoding beside them
  Interval tokens_per_pass;  // of the second, relative to the first
  std::string verdict;       // a sentence
};
// Throws Error if they share no prompt.
ArmComparison compare_arms(const ResultStore& store, const StoredExperiment& first_experiment,
                           const std::vector<Condition>& first, const StoredExperiment& second_experiment,
                           const std::vector<Condition>& second);

// How many prompts are paired, how many are not, and why.
std::string pairing_text(const ArmComparison& comparison);

}  // namespace specdec
