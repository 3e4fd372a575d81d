// Other rules, shorter drafts, other temperatures and policies on the passes that a run recorded, without its models.
// What a pass showed is taken as it is: how the text went on from other tokens was not recorded.
//   const Recording recording = read_recording("run.jsonl");
//   const Replayed block = replay(recording, {.rule = "block"});
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "draft/policy.h"
#include "experiments/interval.h"
#include "experiments/recording.h"
#include "verify/tally.h"

namespace specdec {

struct ReplayOptions {
  std::string rule;        // NAME[,key=value…]
  Sampler sampler{};       // of the target
  std::uint64_t seed = 1;  // of the first judging
  Budget budget{};         // at most so much of what was guessed; depth 0 = all of it
  int judgings = 100;      // of every pass, with other random numbers; a greedy target needs one
};
// Those of the run itself.
ReplayOptions own_settings(const Recording& recording);

struct Replayed {
  std::string rule;
  bool lossless = true;
  int steps = 0;
  int judgings = 1;
  // Of the first judging, with the run's own numbers: steps that take the same guesses and say the same token.
  int same_as_recorded = 0;
  std::optional<int> first_difference{};  // the step
  Interval tokens_per_pass{};             // mean of all judgings; over the steps, by bootstrap
  double drafted_per_pass = 0;
  double alpha = 0;                    // accepted / (accepted + rejections)
  std::vector<double> conditional;     // [i]: guess i + 1 accepted, of those whose elders all were
  std::vector<double> tokens_by_step;  // means over the judgings
  double unrecorded = 0;               // share of judgings that end with a token that was not recorded
};

// Throws UsageError for what the record cannot answer: longer or wider drafts, other temperatures of a record that
// kept only the likeliest tokens.
Replayed replay(const Recording& recording, const ReplayOptions& options);

// How many more tokens per pass, over the same steps.
Interval gain(const Replayed& with, const Replayed& without);

// Of the tokens after all recorded rows, the share that was not recorded: the largest, at the run's temperature.
double largest_rest(const Recording& recording);

}  // namespace specdec
