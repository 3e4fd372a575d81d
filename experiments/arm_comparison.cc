#include "experiments/arm_comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

// Texts with the set of their prompts: other files have prompts of the same names.
std::vector<std::pair<std::string, const MeasuredText*>> texts_by_source(const StoredArm& arm) {
  std::vector<std::pair<std::string, const MeasuredText*>> all;
  for (const FinishedTrial& trial : arm.trials) {
    const nlohmann::json options = nlohmann::json::parse(trial.origin.options, nullptr, false);
    const std::string source = options.is_object() ? options.value("prompts", "") : "";
    for (const MeasuredText& text : trial.texts) all.emplace_back(source + " ", &text);
  }
  return all;
}

double tokens(const MeasuredText& text) { return static_cast<double>(text.guessed.tokens); }
double plain_tokens(const MeasuredText& text) { return static_cast<double>(text.plain.tokens); }

}  // namespace

ArmComparison compare_arms(const ResultStore& store, const StoredExperiment& first_experiment,
                           const std::vector<Condition>& first, const StoredExperiment& second_experiment,
                           const std::vector<Condition>& second) {
  struct Sums {
    double speed[2][2] = {}, tokens[2] = {}, passes[2] = {};  // [arm][guessed, plain]: seconds per token
    int texts[2] = {};
  };
  ArmComparison found;
  std::map<std::string, Sums> by_prompt;
  const auto collect = [&](int side, const StoredExperiment& experiment, const std::vector<Condition>& conditions) {
    std::vector<std::string> labels;
    for (const StoredArm& arm : arms_of(store, experiment, conditions)) {
      labels.push_back(arm.label);
      for (const auto& [source, text] : texts_by_source(arm)) {
        Sums& sums = by_prompt[source + text->prompt];
        sums.speed[side][0] += text->guessed.times.total_s() / std::max(1.0, tokens(*text));
        sums.speed[side][1] += text->plain.times.total_s() / std::max(1.0, plain_tokens(*text));
        sums.tokens[side] += tokens(*text);
        sums.passes[side] += static_cast<double>(text->guessed.passes);
        ++sums.texts[side];
      }
    }
    return fmt::format("{}", fmt::join(labels, ", "));
  };
  found.first = collect(0, first_experiment, first);
  found.second = collect(1, second_experiment, second);
  std::vector<double> fast, slow, more, less;
  for (const auto& [prompt, sums] : by_prompt) {
    if (sums.texts[0] == 0 || sums.texts[1] == 0) continue;
    fast.push_back(sums.speed[1][1] / sums.speed[1][0]);
    slow.push_back(sums.speed[0][1] / sums.speed[0][0]);
    more.push_back(sums.tokens[1] / sums.passes[1]);
    less.push_back(sums.tokens[0] / sums.passes[0]);
  }
  if (fast.empty()) throw Error("{} and {} were measured on no common prompt", found.first, found.second);
  found.pairs = static_cast<std::int64_t>(fast.size());
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

}  // namespace specdec
