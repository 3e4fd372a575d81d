// The prompts of an arm, and how its target reads them.
//   for (const NamedPrompt& prompt : prompts_of(arm)) run_trial(target, drafter, encode(target, arm, prompt, now), …);
#pragma once

#include <ctime>
#include <vector>

#include "experiments/arm.h"
#include "experiments/prompt_file.h"
#include "experiments/trial.h"

namespace specdec {

// Those that it asks for, some of each domain. Throws Error if two have one name.
std::vector<NamedPrompt> prompts_of(const Arm& arm);

// Whether a prompt is a message in the target's chat template, or a text to continue.
bool is_chat(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt);
// now: of which a template may tell the date.
std::vector<TokenId> encode(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt, std::time_t now);

}  // namespace specdec
