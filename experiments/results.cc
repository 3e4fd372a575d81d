#include "experiments/results.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "experiments/arm_tables.h"
#include "experiments/speed_up.h"

namespace specdec {
namespace {

// The different values of a fact of trials' origins, each once, in the order they came.
std::vector<std::string> values_of(const std::vector<StoredArm>& arms,
                                   const std::function<std::string(const TrialOrigin&)>& fact) {
  std::vector<std::string> values;
  for (const StoredArm& arm : arms) {
    for (const FinishedTrial& trial : arm.trials) {
      std::string value = fact(trial.origin);
      if (std::ranges::find(values, value) == values.end()) values.push_back(std::move(value));
    }
  }
  return values;
}

std::string machine_text(const std::string& json) {
  const nlohmann::json machine = nlohmann::json::parse(json, nullptr, false);
  if (!machine.is_object()) return json;
  return fmt::format("{}, {} cores, {:.0f} GB", machine.value("cpu", "?"), machine.value("cores", 0),
                     static_cast<double>(machine.value("memory_bytes", std::int64_t{0})) / 1e9);
}

std::string threads_text(const std::string& json) {
  const nlohmann::json machine = nlohmann::json::parse(json, nullptr, false);
  if (!machine.is_object()) return json;
  return fmt::format("{}, {}", machine.value("threads", 0), machine.value("instruction_set", "?"));
}

std::string model_text(const TrialOrigin& origin, const char* option, const std::string& hash) {
  const nlohmann::json options = nlohmann::json::parse(origin.options, nullptr, false);
  const std::string name = options.is_object() ? options.value(option, "?") : "?";
  return hash.empty() ? name : fmt::format("{} ({})", name, hash);
}

void add_provenance(Results& results, const std::vector<StoredArm>& arms, const StoredExperiment& experiment,
                    const ResultStore& store) {
  const auto add = [&](const std::string& what, const std::vector<std::string>& values) {
    results.provenance.emplace_back(what, fmt::format("{}", fmt::join(values, "; ")));
  };
  const auto versions = values_of(arms, [](const TrialOrigin& origin) { return origin.version; });
  const auto machines = values_of(arms, [](const TrialOrigin& origin) { return machine_text(origin.machine); });
  add("experiment", {fmt::format("{}@{}", experiment.name, experiment.fingerprint)});
  add("specdec", versions);
  add("machine", machines);
  add("threads and instruction set",
      values_of(arms, [](const TrialOrigin& origin) { return threads_text(origin.machine); }));
  add("targets",
      values_of(arms, [](const TrialOrigin& origin) { return model_text(origin, "target", origin.target_hash); }));
  add("drafters",
      values_of(arms, [](const TrialOrigin& origin) { return model_text(origin, "draft", origin.draft_hash); }));
  auto told = values_of(arms, [](const TrialOrigin& origin) {
    const nlohmann::json options = nlohmann::json::parse(origin.options, nullptr, false);
    return options.is_object() ? options.value("chat_date", "") : "";
  });
  std::erase(told, "");
  if (!told.empty()) add("date that chat templates tell", told);
  if (told.size() > 1)
    results.warnings.push_back("chat templates tell several dates, so that prompts of trials differ in them");
  std::vector<std::string> dates = values_of(arms, [](const TrialOrigin& origin) { return origin.date; });
  std::ranges::sort(dates);
  add("measured", {fmt::format("{} to {}", dates.front(), dates.back())});
  add("store", {store.path().string()});
  add("config", {experiment.config});
  if (versions.size() > 1)
    results.warnings.push_back("trials of several versions of specdec: " +
                               fmt::format("{}", fmt::join(versions, "; ")));
  if (machines.size() > 1)
    results.warnings.push_back(
        "trials of several machines: speeds of arms cannot be compared where an arm ran on one alone");
}

// What the config says, and what is so in every sweep.
std::string method_of(const StoredExperiment& experiment) {
  return fmt::format(
      "{}{}Every repeat decodes each prompt twice, with guesses and plainly, one right after the other in an order "
      "that chance decides; repeats follow one another, the arms of each in a random order; the first text of an arm "
      "in "
      "a process is not counted. Speed-ups are of such pairs. Intervals are of 95 %, over prompts: by Student's t of "
      "the "
      "logarithm, and from 20 prompts on by the studentised bootstrap.",
      experiment.method, experiment.method.empty() ? "" : " ");
}

// Of what memory gave before trials, relative to that of trials on as many threads of the same machine.
double spread_of_memory(const std::vector<StoredArm>& arms) {
  std::map<std::string, std::vector<double>> by_machine;
  for (const StoredArm& arm : arms) {
    for (const FinishedTrial& trial : arm.trials)
      by_machine[trial.origin.machine].push_back(trial.origin.read_bytes_per_s);
  }
  double square = 0, count = 0;
  for (const auto& [machine, rates] : by_machine) {
    const double mean = std::accumulate(rates.begin(), rates.end(), 0.0) / static_cast<double>(rates.size());
    for (const double rate : rates) square += (rate / mean - 1) * (rate / mean - 1);
    count += static_cast<double>(rates.size());
  }
  return std::sqrt(square / count);
}

void add_warnings(Results& results, const std::vector<StoredArm>& arms, const StoredExperiment& experiment) {
  constexpr double kNoisy = 0.1;
  std::vector<std::string>& warnings = results.warnings;
  std::int64_t disturbed = 0, trials = 0;
  bool few_prompts = false;
  for (const StoredArm& arm : arms) {
    std::set<std::string> prompts;
    for (const FinishedTrial& trial : arm.trials) {
      disturbed += trial.origin.others > 0 ? 1 : 0;
      ++trials;
      for (const MeasuredText& text : trial.texts) prompts.insert(text.prompt);
    }
    few_prompts = few_prompts || prompts.size() < kLeastClusters;
  }
  if (experiment.finished < experiment.arms * experiment.repeats) {
    warnings.push_back(fmt::format("{} of {} trials: the rest has not been measured, or an arm ended early",
                                   experiment.finished, experiment.arms * experiment.repeats));
  }
  if (const double spread = spread_of_memory(arms); spread > kNoisy) {
    warnings.push_back(fmt::format(
        "a noisy machine: what memory gave before each trial varied by {:.0f} % (standard deviation); speed-ups are "
        "paired, seconds are not",
        100 * spread));
  }
  if (disturbed > 0) {
    warnings.push_back(
        fmt::format("{} of {} trials ran beside others of another process, and disturbed them", disturbed, trials));
  }
  if (few_prompts) warnings.push_back("fewer than 5 prompts: intervals speak of these prompts only");
}

}  // namespace

Results results_of(const ResultStore& store, const StoredExperiment& experiment,
                   const std::vector<Condition>& conditions) {
  const std::vector<StoredArm> arms = arms_of(store, experiment, conditions);
  Results results{.experiment = experiment.name,
                  .question = experiment.question,
                  .method = method_of(experiment),
                  .axes = experiment.axes,
                  .provenance = {},
                  .warnings = {},
                  .tables = {}};
  add_provenance(results, arms, experiment, store);
  add_warnings(results, arms, experiment);
  results.tables = tables_of(arms, experiment, store.stopped(experiment.id));
  return results;
}

}  // namespace specdec
