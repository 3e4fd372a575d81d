#include "experiments/sweep_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "experiments/arm_prompts.h"
#include "experiments/loaded_models.h"
#include "experiments/machine.h"

namespace specdec {
namespace {

using Clock = std::chrono::steady_clock;

// What the store knows of an experiment.
struct Known {
  std::set<TrialKey> finished;
  std::set<std::string> ended;                      // arms
  std::map<std::string, std::vector<double>> wall;  // seconds of trials, by arm
  std::optional<std::int64_t> memory_bytes;
};

Known known_of(const SweepConfig& config, const ResultStore* store) {
  Known known;
  if (store == nullptr) return known;
  for (const StoredExperiment& experiment : store->experiments()) {
    if (experiment.name != config.name || experiment.fingerprint != config.fingerprint()) continue;
    known.memory_bytes = store->known_memory(experiment.id);
    for (const StoppedArm& arm : store->stopped(experiment.id)) known.ended.insert(arm.arm);
    for (const FinishedTrial& trial : store->trials(experiment.id)) {
      known.finished.insert(trial.key);
      known.wall[trial.key.arm].push_back(trial.origin.wall_s);
    }
  }
  return known;
}

// Of a trial of the arm, by a short text of its first prompt.
double trial_s(const Arm& arm, const LoadedArm& loaded, const std::vector<NamedPrompt>& prompts) {
  constexpr int kShort = 16;       // tokens
  constexpr double kLong_s = 0.5;  // then it is not repeated to see it warm
  constexpr double kStored_s = 0.005;
  TrialOptions options = arm.trial;
  options.max_tokens = std::min(options.max_tokens, kShort);
  if (!arm.ignore_eos) options.eos = loaded.target.eos;
  const std::time_t now = std::time(nullptr);
  const std::vector<TokenId> first = encode(loaded.target, arm, prompts.front(), now);
  std::optional<MeasuredText> text;
  double wall_s = kLong_s;
  for (int i = 0; i < 2 && (i == 0 || wall_s < kLong_s); ++i) {
    const auto begin = Clock::now();
    text =
        measure_pair(loaded.target, loaded.drafter, first, options, loaded.engine, true, [] { return Continue::yes; });
    wall_s = seconds_since(begin);
  }
  const TextFacts &guessed = text->guessed, &plain = text->plain;
  const double prefill_s = guessed.prefill_s + plain.prefill_s;
  const double around_s = wall_s - prefill_s - guessed.times.total_s() - plain.times.total_s();
  double sum = kStored_s;
  for (const NamedPrompt& prompt : prompts) {
    const auto length = static_cast<double>(encode(loaded.target, arm, prompt, now).size());
    sum += around_s + prefill_s * length / static_cast<double>(first.size()) +
           arm.trial.max_tokens * (guessed.per_token_s() + plain.per_token_s());
  }
  return sum;
}

}  // namespace

SweepForecast forecast_of(const SweepConfig& config, const ResultStore* store, const SweepOptions& options) {
  const Known known = known_of(config, store);
  std::map<std::string, int> to_come;
  for (const TrialKey& key : order_of(config, options.shard, options.shards)) {
    if (!known.finished.contains(key) && !known.ended.contains(key.arm)) ++to_come[key.arm];
  }
  LoadedModels models(known.memory_bytes ? *known.memory_bytes : memory_for_experts(config));
  SweepForecast forecast;
  for (const Setting& setting : config.arms) {
    const int trials = to_come[identity_of(setting)];
    if (trials == 0) continue;
    if (const auto seen = known.wall.find(identity_of(setting)); seen != known.wall.end()) {
      const std::vector<double>& all = seen->second;
      forecast.seconds += trials * std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
      continue;
    }
    try {
      const Arm arm = arm_of(setting);
      const std::vector<NamedPrompt> prompts = prompts_of(arm);
      const auto begin = Clock::now();
      const LoadedArm loaded = models.of(arm);
      forecast.seconds += seconds_since(begin) + trials * trial_s(arm, loaded, prompts);
    } catch (const Error& error) {
      forecast.failed.push_back(
          fmt::format("{}: cannot be measured: {}", label_of(setting, config.axes), error.what()));
    }
  }
  return forecast;
}

}  // namespace specdec
