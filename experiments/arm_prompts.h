// The prompts of an arm, and how its target reads them.
//   for (const NamedPrompt& prompt : prompts_of(arm)) run_trial(target, drafter, encode(target, arm, prompt), …);
#pragma once

#include <vector>

#include "experiments/arm.h"
#include "experiments/prompt_file.h"
#include "experiments/trial.h"

namespace specdec {

// Those that it asks for, some of each domain. Throws Error if two have one name.
std::vector<NamedPrompt> prompts_of(const Arm& arm);

// As a message in the target's chat template, or as a text to continue.
std::vector<TokenId> encode(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt);

}  // namespace specdec
