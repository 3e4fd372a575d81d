#include "experiments/arm_comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

struct PromptSums {
  double guessed_s = 0, plain_s = 0, tokens = 0, passes = 0;  // seconds: per token
  std::string name;

  void add(const MeasuredText& text) {
    guessed_s += text.guessed.per_token_s();
    plain_s += text.plain.per_token_s();
    tokens += static_cast<double>(text.guessed.tokens);
    passes += static_cast<double>(text.guessed.passes);
    name = text.prompt;
  }
};

struct Measured {
  std::map<std::string, PromptSums> by_hash;
  std::set<std::string> unknown, names;
  std::vector<std::string> labels;
};

Measured measured_by(const std::vector<StoredArm>& arms) {
  Measured all;
  for (const StoredArm& arm : arms) {
    all.labels.push_back(arm.label);
    for (const FinishedTrial& trial : arm.trials) {
      const std::map<std::string, std::string> hashes = prompt_hashes_of(trial.origin);
      for (const MeasuredText& text : trial.texts) {
        const auto hash = hashes.find(text.prompt);
        if (hash == hashes.end()) {
          all.unknown.insert(text.prompt);
        } else {
          all.by_hash[hash->second].add(text);
          all.names.insert(text.prompt);
        }
      }
    }
  }
  return all;
}

ComparedSide side_of(const Measured& measured, const Measured& other) {
  const auto alone = std::ranges::count_if(measured.by_hash,
                                           [&](const auto& prompt) { return !other.by_hash.contains(prompt.first); });
  return {fmt::format("{}", fmt::join(measured.labels, ", ")), alone,
          static_cast<std::int64_t>(measured.unknown.size())};
}

}  // namespace

ArmComparison compare_arms(const ResultStore& store, const StoredExperiment& first_experiment,
                           const std::vector<Condition>& first, const StoredExperiment& second_experiment,
                           const std::vector<Condition>& second) {
  const Measured one = measured_by(arms_of(store, first_experiment, first));
  const Measured other = measured_by(arms_of(store, second_experiment, second));
  ArmComparison found{
      .first = side_of(one, other), .second = side_of(other, one), .speed = {}, .tokens_per_pass = {}, .verdict = {}};
  std::vector<double> fast, slow, more, less;
  for (const auto& [hash, sums] : one.by_hash) {
    const auto paired = other.by_hash.find(hash);
    if (paired == other.by_hash.end()) {
      found.renamed += other.names.contains(sums.name) ? 1 : 0;
      continue;
    }
    fast.push_back(paired->second.plain_s / paired->second.guessed_s);
    slow.push_back(sums.plain_s / sums.guessed_s);
    more.push_back(paired->second.tokens / paired->second.passes);
    less.push_back(sums.tokens / sums.passes);
  }
  found.pairs = static_cast<std::int64_t>(fast.size());
  if (fast.empty()) {
    throw Error("{} and {} were measured on no common prompt: {}", found.first.label, found.second.label,
                pairing_text(found));
  }
  found.speed = ratio_interval(fast, slow);
  found.tokens_per_pass = ratio_interval(more, less);
  if (found.speed.low > 1) {
    found.verdict = "the second is faster";
  } else if (found.speed.high < 1) {
    found.verdict = "the first is faster";
  } else {
    found.verdict = "neither is shown to be faster";
  }
  return found;
}

std::string pairing_text(const ArmComparison& comparison) {
  std::string text = fmt::format("{} prompts paired by their texts", comparison.pairs);
  const std::array sides{std::pair{"first", &comparison.first}, std::pair{"second", &comparison.second}};
  for (const auto& [name, side] : sides) {
    if (side->alone > 0) text += fmt::format(", {} measured by the {} alone", side->alone, name);
  }
  if (comparison.renamed > 0)
    text += fmt::format(" ({} have another text under the same name in the second)", comparison.renamed);
  for (const auto& [name, side] : sides) {
    if (side->unknown > 0)
      text += fmt::format(", {} of the {} not comparable: their trials keep no hashes of prompts", side->unknown, name);
  }
  return text;
}

}  // namespace specdec
