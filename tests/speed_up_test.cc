// Speed-ups that are known beforehand, measured with noise: how often intervals hold them.
#include "experiments/speed_up.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/rng.h"

namespace specdec {
namespace {

constexpr double kSpeedUp = 1.7;

double normal(const Rng& rng, std::uint64_t i) {  // Box and Muller 1958
  return std::sqrt(-2 * std::log(1 - rng.uniform(2 * i))) * std::cos(2 * std::numbers::pi * rng.uniform(2 * i + 1));
}

// Of mean 1.
double noise(const Rng& rng, std::uint64_t i, double spread) {
  return std::exp(spread * normal(rng, i) - spread * spread / 2);
}

struct Experiment {
  std::uint64_t prompts = 12;
  int repeats = 3;
  double of_prompts = 0.3;  // spread of what guesses gain, from prompt to prompt
  double of_machine = 0.3;  // of its speed, from pair to pair
  double of_texts = 0.05;   // of each time by itself
};

std::vector<FinishedTrial> measured(const Experiment& how, const Rng& rng) {
  std::vector<FinishedTrial> trials;
  for (int repeat = 0; repeat < how.repeats; ++repeat) {
    FinishedTrial& trial = trials.emplace_back();
    for (std::uint64_t prompt = 0; prompt < how.prompts; ++prompt) {
      const double gain = noise(rng.fork(0), prompt, how.of_prompts);
      const Rng pair = rng.fork(1).fork(static_cast<std::uint64_t>(repeat)).fork(prompt);
      const double machine = noise(pair, 0, how.of_machine);
      MeasuredText& text = trial.texts.emplace_back();
      text.prompt = fmt::format("prompt {}", prompt);
      text.guessed.tokens = text.plain.tokens = 100;
      text.plain.times.look_s = machine * noise(pair, 1, how.of_texts);
      text.guessed.times.look_s = machine * gain * noise(pair, 2, how.of_texts) / kSpeedUp;
    }
  }
  return trials;
}

double share_held(const Experiment& how) {
  constexpr int kRuns = 1000;
  int held = 0;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    const Interval found = speed_up_of(measured(how, Rng(7).fork(run)));
    held += found.low <= kSpeedUp && kSpeedUp <= found.high ? 1 : 0;
  }
  return static_cast<double>(held) / kRuns;
}

TEST(SpeedUp, IntervalsHoldTheTruthAsOftenAsTheySay) {
  for (const Experiment& how : {Experiment{}, Experiment{.prompts = 9, .repeats = 1}, Experiment{.prompts = 40},
                                Experiment{.prompts = 3, .repeats = 8, .of_prompts = 0}}) {
    const double held = share_held(how);
    EXPECT_GE(held, 0.93) << how.prompts << " prompts";
    EXPECT_LE(held, 0.97) << how.prompts << " prompts";
  }
}

TEST(SpeedUp, MoreRepeatsOfOnePromptAreNotMorePrompts) {
  const Experiment few{.prompts = 12, .repeats = 2}, many{.prompts = 12, .repeats = 20};
  const Interval of_few = speed_up_of(measured(few, Rng(3))), of_many = speed_up_of(measured(many, Rng(3)));
  EXPECT_GT(of_many.high - of_many.low, 0.5 * (of_few.high - of_few.low));
}

TEST(SpeedUp, WhatTheMachineDoesToBothOfAPairDoesNotCount) {
  const Experiment steady{.of_prompts = 0, .of_machine = 0}, shaken{.of_prompts = 0, .of_machine = 1};
  const Interval found = speed_up_of(measured(shaken, Rng(5)));
  EXPECT_NEAR(found.value, kSpeedUp, 0.1);
  EXPECT_LT(found.high - found.low,
            6 * (speed_up_of(measured(steady, Rng(5))).high - speed_up_of(measured(steady, Rng(5))).low));
}

TEST(SpeedUp, OneTextTellsNoInterval) {
  const Interval found = speed_up_of(measured({.prompts = 1, .repeats = 1}, Rng(1)));
  EXPECT_GT(found.value, 0);
  EXPECT_TRUE(std::isnan(found.low));
  EXPECT_TRUE(std::isnan(found.high));
}

}  // namespace
}  // namespace specdec
