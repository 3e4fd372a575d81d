#include "experiments/stored_arms.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"

namespace specdec {
namespace {

Setting setting_from(const std::string& identity) {
  Setting setting;
  const nlohmann::json json = nlohmann::json::parse(identity);
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean()) {
      setting[name] = value.get<bool>();
    } else if (value.is_number_integer()) {
      setting[name] = value.get<std::int64_t>();
    } else if (value.is_number()) {
      setting[name] = value.get<double>();
    } else {
      setting[name] = value.get<std::string>();
    }
  }
  return setting;
}

bool is_value(const OptionValue& value, const std::string& text) {
  if (text_of(value) == text) return true;
  const auto* number = std::get_if<double>(&value);
  double wanted = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), wanted);
  return number != nullptr && failed == std::errc{} && end == text.data() + text.size() && wanted == *number;
}

bool meets(const Setting& setting, const std::vector<Condition>& conditions) {
  return std::ranges::all_of(conditions, [&](const Condition& condition) {
    const auto found = setting.find(condition.option);
    return found != setting.end() && is_value(found->second, condition.value);
  });
}

}  // namespace

StoredExperiment find_experiment(const ResultStore& store, std::string_view name) {
  const std::size_t at = name.find('@');
  const std::string_view plain = name.substr(0, at);
  const std::string_view digits = at == std::string_view::npos ? std::string_view() : name.substr(at + 1);
  const std::vector<StoredExperiment> all = store.experiments();
  const StoredExperiment* found = nullptr;
  for (const StoredExperiment& experiment : all) {
    if (experiment.name != plain || !experiment.fingerprint.starts_with(digits)) continue;
    if (found == nullptr || experiment.finished > 0 || found->finished == 0) found = &experiment;
  }
  if (found != nullptr) return *found;
  std::vector<std::string> names;
  for (const StoredExperiment& experiment : all)
    names.push_back(fmt::format("{}@{}", experiment.name, experiment.fingerprint.substr(0, 8)));
  throw Error("{}: no experiment '{}'; there are: {}", store.path().string(), name,
              names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

Condition parse_condition(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw UsageError("'{}': expected OPTION=VALUE, such as k=4", text);
  Condition condition{text.substr(0, equals), text.substr(equals + 1)};
  if (find_arm_option(condition.option) == nullptr)
    throw UsageError("'{}': no option '{}'; there are: {}", text, condition.option, names_of_arm_options());
  return condition;
}

std::vector<Condition> parse_conditions(const std::vector<std::string>& texts) {
  std::vector<Condition> conditions;
  for (const std::string& text : texts) conditions.push_back(parse_condition(text));
  return conditions;
}

std::vector<const MeasuredText*> StoredArm::texts() const {
  std::vector<const MeasuredText*> all;
  for (const FinishedTrial& trial : trials) {
    for (const MeasuredText& text : trial.texts) all.push_back(&text);
  }
  return all;
}

std::vector<StoredArm> arms_of(const ResultStore& store, const StoredExperiment& experiment,
                               const std::vector<Condition>& conditions) {
  std::map<std::string, std::vector<FinishedTrial>> by_arm;
  for (FinishedTrial& trial : store.trials(experiment.id)) by_arm[trial.key.arm].push_back(std::move(trial));
  std::vector<StoredArm> arms;
  const nlohmann::json config = nlohmann::json::parse(experiment.config);
  for (const nlohmann::json& arm : config.at("arms")) {
    const std::string identity = arm.dump();
    const auto found = by_arm.find(identity);
    if (found == by_arm.end()) continue;
    Setting setting = setting_from(identity);
    if (!meets(setting, conditions)) continue;
    std::string label = label_of(setting, experiment.axes);
    arms.push_back({identity, std::move(label), std::move(setting), std::move(found->second)});
  }
  if (arms.empty() && by_arm.empty()) {
    throw Error("{}@{}: nothing has been measured: every arm was left out, or no trial has ended; run its sweep again",
                experiment.name, experiment.fingerprint.substr(0, 8));
  }
  if (arms.empty()) {
    std::vector<std::string> asked;
    for (const Condition& condition : conditions) asked.push_back(condition.option + "=" + condition.value);
    throw Error("{}: no trial of an arm with {}", experiment.name, fmt::join(asked, " and "));
  }
  return arms;
}

}  // namespace specdec
