#include "experiments/paired_trials.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace specdec {
namespace {

double steps_s(const Trial& trial) {
  StepTimes times;
  for (const StepRecord& step : trial.steps) times += step.times;
  return times.total_s();
}

Trial median_of(std::vector<Trial> trials) {
  const auto middle = trials.begin() + static_cast<std::ptrdiff_t>(trials.size() / 2);
  std::ranges::nth_element(trials, middle, {}, steps_s);
  return std::move(*middle);
}

}  // namespace

PairedTrials repeat_in_pairs(Trial first, const LoadedTarget& target, const LoadedDrafter& drafter,
                             std::span<const TokenId> prompt, TrialOptions guessed_options, Engine& engine,
                             const std::function<Continue()>& after_pair) {
  constexpr std::chrono::milliseconds kPatience{3000};
  constexpr std::size_t kMostRepeats = 9;
  if (first.ending == Ending::none) guessed_options.max_tokens = static_cast<int>(first.generated.size());
  TrialOptions plain_options = guessed_options;
  plain_options.max_tokens = static_cast<int>(first.generated.size());
  if (guessed_options.sampler.temperature > 0) plain_options.eos.clear();  // another text, but as long

  const LoadedDrafter none = no_drafter();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Trial> guessed, plain;
  guessed.push_back(std::move(first));
  plain.push_back(run_trial(target, none, prompt, plain_options, engine));
  while (guessed.size() <= kMostRepeats && std::chrono::steady_clock::now() - begin < kPatience &&
         after_pair() == Continue::yes) {
    guessed.push_back(run_trial(target, drafter, prompt, guessed_options, engine));
    plain.push_back(run_trial(target, none, prompt, plain_options, engine));
  }
  if (guessed.size() > 1) {
    guessed.erase(guessed.begin());
    plain.erase(plain.begin());
  }
  const int repeats = static_cast<int>(guessed.size());
  return {median_of(std::move(guessed)), median_of(std::move(plain)), repeats};
}

}  // namespace specdec
