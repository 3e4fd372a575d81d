// Trials of equal text, one with guesses and one without, taken in turn: how much guessing gains in one process.
//   Trial first = run_trial(target, mtp, prompt, options, engine, show);
//   const PairedTrials trials = repeat_in_pairs(std::move(first), target, mtp, prompt, options, engine, after_pair);
#pragma once

#include <functional>
#include <span>

#include "experiments/trial.h"

namespace specdec {

// The guessed and the plain trials whose time is the median of `repeats`.
struct PairedTrials {
  Trial guessed, plain;
  int repeats = 0;
};

// Repeats `first`, which may have been stopped early, and plain decoding of as many tokens. The text is short, so it is
// repeated as long as the user would not notice; the first pair warms up. `after_pair` says whether there shall be
// another.
PairedTrials repeat_in_pairs(Trial first, const LoadedTarget& target, const LoadedDrafter& drafter,
                             std::span<const TokenId> prompt, TrialOptions guessed_options, Engine& engine,
                             const std::function<Continue()>& after_pair);

}  // namespace specdec
