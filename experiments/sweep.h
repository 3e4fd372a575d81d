// Runs the trials of an experiment, each once: killed and started again, it goes on where it was.
//   SweepOutcome outcome = run_sweep(config, store, {}, {.go_on = …, .on_trial = …});
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/interval.h"
#include "experiments/result_store.h"
#include "experiments/sweep_config.h"

namespace specdec {

struct SweepOptions {
  std::optional<double> until{};  // goes before that of the config
  int shard = 1, shards = 1;      // only trials of this part, from 1
};

// All repeats of all arms that are of the shard: repeat by repeat, so that what was stopped is about even, and within
// one in an order drawn by the config's seed, with arms that share a model together.
std::vector<TrialKey> order_of(const SweepConfig& config, int shard, int shards);

struct SweepProgress {
  std::int64_t finished = 0, total = 0;  // trials of the shard, those of stopped arms among the finished
  std::int64_t ran = 0;                  // by this process
  double remaining_s = 0;                // at the pace so far, by this process alone
  std::string arm;                       // label of the trial that ended
  std::string best;                      // label of the arm that is fastest so far
  Interval best_speed_up;
  std::string note;  // worth a line: an arm that ended early; else empty
};

struct SweepOutcome {
  // finished: trials, without those that an arm which ended early does not need.
  std::int64_t ran = 0, finished = 0, not_needed = 0, total = 0, running_elsewhere = 0;
  bool interrupted = false;
  std::vector<std::string> failed;  // labels of arms that could not be measured
  double wall_s = 0;                // of trials, with all that is not measured
  double measured_s = 0;            // of it decoding: prompts read and texts generated
};

struct SweepCalls {
  std::function<Continue()> go_on;  // asked after every step
  std::function<void(const SweepProgress&)> on_trial;
  std::function<void(const std::string&)> on_note;
};

// An arm that cannot be measured is noted and left out; the store's errors are thrown.
SweepOutcome run_sweep(const SweepConfig& config, ResultStore& store, const SweepOptions& options,
                       const SweepCalls& calls);

// What an experiment that begins now gives to experts where the config says "auto".
std::int64_t memory_for_experts(const SweepConfig& config);

}  // namespace specdec
