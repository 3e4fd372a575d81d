// What a sweep would take, and which of its arms cannot be measured, without running it.
//   const SweepForecast forecast = forecast_of(config, nullptr, {});
#pragma once

#include <string>
#include <vector>

#include "experiments/result_store.h"
#include "experiments/sweep.h"

namespace specdec {

struct SweepForecast {
  double seconds = 0;               // of the trials that are still to come, and of loading what they run
  std::vector<std::string> failed;  // "LABEL: WHY": arms whose models or prompts cannot be used
};

// By the trials that the store has of an arm. Of an arm without any the models are loaded and a short text is measured.
// store: null if there is none yet.
SweepForecast forecast_of(const SweepConfig& config, const ResultStore* store, const SweepOptions& options);

}  // namespace specdec
