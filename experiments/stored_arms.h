// What of a store is asked for: an experiment by its name, and arms of it by their options.
//   const StoredExperiment experiment = find_experiment(store, "depth");
//   const std::vector<StoredArm> arms = arms_of(store, experiment, {parse_condition("k=4")});
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "experiments/arm.h"
#include "experiments/result_store.h"

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

struct StoredArm {
  std::string identity, label;
  Setting setting;
  std::vector<FinishedTrial> trials;

  std::vector<const MeasuredText*> texts() const;
};

// Those with trials that meet all conditions, in the order of the config. Throws Error if there is none.
std::vector<StoredArm> arms_of(const ResultStore& store, const StoredExperiment& experiment,
                               const std::vector<Condition>& conditions);

}  // namespace specdec
