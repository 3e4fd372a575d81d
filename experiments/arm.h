// One setting of an experiment: options of run by their names, as a config gives them and a store keeps them.
//   const Arm arm = arm_of({{"draft", "mtp"}, {"k", 4}});
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/engine.h"
#include "experiments/trial.h"

namespace specdec {

using OptionValue = std::variant<bool, std::int64_t, double, std::string>;
std::string text_of(const OptionValue& value);

using Setting = std::map<std::string, OptionValue>;  // by the name of the option

struct ArmOption {
  enum class Type { flag, integer, number, text };
  std::string_view name;
  Type type;
  std::string_view meaning;
};
std::span<const ArmOption> arm_options();
const ArmOption* find_arm_option(std::string_view name);  // null if there is none
std::string names_of_arm_options();                       // all of them, for errors
bool fits(const OptionValue& value, ArmOption::Type type);
std::string_view name_of(ArmOption::Type type);

struct Arm {
  std::string target = "demo-moe";
  std::string draft = "mtp";  // with all that says how much is drafted
  EngineOptions engine{};
  TrialOptions trial{};  // eos: of the target, unless it is ignored
  bool ignore_eos = false;
  std::string prompts = "domains";      // as of read_prompts
  int prompts_per_domain = 4;           // the first so many; 0 = all
  std::optional<bool> chat{};           // by the target's chat template; nothing: messages, if it has a template
  std::optional<std::string> system{};  // the message before
  bool drafts() const { return draft != "none"; }
};

// visit(name, value) for each option of an engine that a setting may give. One that is added there does not compile
// until it is here, too.
template <typename Options, typename Visit>
void each_engine_option(Options& options, const Visit& visit) {
  auto& [threads, compute, cpu, expert_cache, expert_policy, expert_prefetch, expert_reads, time_steps, cache, memory] =
      options;
  static_cast<void>(memory);  // a fact of the machine
  visit("threads", threads);
  visit("compute", compute);
  visit("cache", cache);
  visit("expert_cache", expert_cache);
  visit("expert_policy", expert_policy);
  visit("expert_prefetch", expert_prefetch);
  visit("expert_reads", expert_reads);
  visit("time_steps", time_steps);
  visit("cpu", cpu);
}

// Everything that can be wrong without a model is checked: UsageError that begins with the option's name. `drafts
// nothing` is one arm, whatever its k: options of drafting that cannot matter are left out.
Arm arm_of(const Setting& setting);

// The same text for equal settings and no other; JSON, of the options that are given.
std::string identity_of(const Setting& setting);

// The setting without what cannot matter.
Setting without_idle_options(Setting setting);

// "mtp k=4 temperature=1": the values of these options, those of names that say themselves what they are without it.
std::string label_of(const Setting& setting, std::span<const std::string> axes);

}  // namespace specdec
