// How much faster an arm is than plain decoding of the same prompts, taken in turn with it.
//   const Interval speed_up = speed_up_of(trials);
#pragma once

#include <span>
#include <string>
#include <vector>

#include "experiments/interval.h"
#include "experiments/result_store.h"

namespace specdec {

// Texts that count as one when it is asked how far a figure is known: those of a prompt, over all repeats. Of fewer
// than five prompts every text counts by itself, and the interval speaks of these prompts only.
std::vector<std::vector<const MeasuredText*>> clusters_of(std::span<const FinishedTrial> trials);
constexpr std::size_t kLeastClusters = 5;

// Plain seconds per token / seconds per token with guesses, every text counting alike.
Interval speed_up_of(std::span<const FinishedTrial> trials);

}  // namespace specdec
