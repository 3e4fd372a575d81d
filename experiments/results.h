// Tables of an experiment, counted from its trials.
//   const Results results = results_of(store, find_experiment(store, "depth"));
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/interval.h"
#include "experiments/result_store.h"
#include "experiments/result_table.h"

namespace specdec {

// NAME, or NAME@FINGERPRINT with the first digits of it: of several configs of one name, the latest that has trials.
// Throws Error that lists the experiments there are.
StoredExperiment find_experiment(const ResultStore& store, std::string_view name);

// An option that arms must have this value of; "k=4".
struct Condition {
  std::string option, value;
};
Condition parse_condition(const std::string& text);  // Throws UsageError.
std::vector<Condition> parse_conditions(const std::vector<std::string>& texts);

// Throws Error if no arm meets all conditions.
Results results_of(const ResultStore& store, const StoredExperiment& experiment,
                   const std::vector<Condition>& conditions = {});

// Two arms, or two groups of them, on the prompts that both measured, all repeats of a prompt together.
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
