#include "experiments/arm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/error.h"
#include "verify/rule.h"

namespace specdec {
namespace {

using Type = ArmOption::Type;

constexpr std::array kOptions{
    ArmOption{"target", Type::text, "the model to speed up"},
    ArmOption{"draft", Type::text, "who guesses: KIND[:PATH][,key=value…]; none: nobody"},
    ArmOption{"k", Type::integer, "guesses per pass, one after another"},
    ArmOption{"width", Type::integer, "guesses after one token"},
    ArmOption{"rows", Type::integer, "guesses of a pass in all"},
    ArmOption{"tree", Type::text, "the shape of the guesses, such as 3x2x1"},
    ArmOption{"policy", Type::text, "who decides how much is guessed, such as confidence"},
    ArmOption{"rule", Type::text, "which guesses stay"},
    ArmOption{"verify_experts", Type::integer, "lossy: experts that a layer reads at most in a pass with guesses"},
    ArmOption{"temperature", Type::number, "0 always takes the likeliest token"},
    ArmOption{"top_k", Type::integer, "only the so many likeliest tokens; 0 = all"},
    ArmOption{"top_p", Type::number, "only the likeliest tokens that together reach this probability"},
    ArmOption{"min_p", Type::number, "only tokens with at least this share of the likeliest one's probability"},
    ArmOption{"seed", Type::integer, "of the random numbers of the first repeat; each repeat adds one"},
    ArmOption{"max_tokens", Type::integer, "tokens to generate at most, for each prompt"},
    ArmOption{"ignore_eos", Type::flag, "go on after the end of the text"},
    ArmOption{"prefill_step", Type::integer, "prompt tokens per pass"},
    ArmOption{"prompts", Type::text, "a set of prompts: its name, or a file"},
    ArmOption{"prompts_per_domain", Type::integer, "the first so many of each domain; 0 = all"},
    ArmOption{"chat", Type::flag, "prompts by the target's chat template; if not given, messages if it has one"},
    ArmOption{"system", Type::text, "with chat: the system's message before a prompt"},
    ArmOption{"threads", Type::integer, "0 = one per core"},
    ArmOption{"compute", Type::text, "default, or f32: never rounds activations"},
    ArmOption{"cache", Type::text, "keys and values as f32, f16 or q8"},
    ArmOption{"expert_cache", Type::text, "memory for routed experts: 2GiB, 25%, or auto"},
    ArmOption{"expert_policy", Type::text, "which experts make room for others: lru, lfu, or static:FILE"},
    ArmOption{"expert_prefetch", Type::text, "experts read before a pass wants them: none, next-layer, or draft"},
    ArmOption{"expert_reads", Type::text, "how experts are read: io_uring, threads, or auto"},
    ArmOption{"time_steps", Type::text, "of Mamba2: within config.json's limit, or at least its min"},
    ArmOption{"cpu", Type::text, "instruction set"},
};

constexpr std::array<std::string_view, 5> kDrafting{"k", "width", "rows", "tree", "policy"};

// Reads options of a setting, and checks them.
class Reader {
 public:
  explicit Reader(const Setting& setting) : setting_(setting) {
    for (const auto& [name, value] : setting) {
      const ArmOption* option = find_arm_option(name);
      if (option == nullptr) throw UsageError("{}: no such option; there are: {}", name, names_of_arm_options());
      if (!fits(value, option->type))
        throw UsageError("{}: {}: expected {}", name, text_of(value), name_of(option->type));
    }
  }

  void text(std::string_view name, std::string& into) const {
    if (const OptionValue* value = find(name)) into = std::get<std::string>(*value);
  }
  void number(std::string_view name, double& into) const {
    const OptionValue* value = find(name);
    if (value == nullptr) return;
    const auto* whole = std::get_if<std::int64_t>(value);
    into = whole != nullptr ? static_cast<double>(*whole) : std::get<double>(*value);
  }
  void integer(std::string_view name, int& into, std::int64_t least) const {
    const OptionValue* value = find(name);
    if (value == nullptr) return;
    const std::int64_t number = std::get<std::int64_t>(*value);
    constexpr std::int64_t kMost = 1'000'000'000;
    if (number < least || number > kMost)
      throw UsageError("{}: {}: expected a whole number from {} to {}", name, number, least, kMost);
    into = static_cast<int>(number);
  }
  void flag(std::string_view name, bool& into) const {
    if (const OptionValue* value = find(name)) into = std::get<bool>(*value);
  }
  const OptionValue* find(std::string_view name) const {
    const auto found = setting_.find(std::string(name));
    return found == setting_.end() ? nullptr : &found->second;
  }

 private:
  const Setting& setting_;
};

bool drafts(const Setting& setting) {
  const auto draft = setting.find("draft");
  if (draft == setting.end()) return true;
  const auto* text = std::get_if<std::string>(&draft->second);
  return text == nullptr || *text != "none";
}

nlohmann::json json_of(const OptionValue& value) {
  return std::visit([](const auto& of) { return nlohmann::json(of); }, value);
}

// An error that names the option it comes from.
template <typename Check>
void checked(std::string_view option, const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    throw UsageError("{}: {}", option, error.what());
  }
}

}  // namespace

std::span<const ArmOption> arm_options() { return kOptions; }

const ArmOption* find_arm_option(std::string_view name) {
  const auto* const found = std::ranges::find(kOptions, name, &ArmOption::name);
  return found == kOptions.end() ? nullptr : found;
}

std::string names_of_arm_options() {
  std::vector<std::string_view> names;
  for (const ArmOption& option : kOptions) names.push_back(option.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool fits(const OptionValue& value, ArmOption::Type type) {
  switch (type) {
    case Type::flag:
      return std::holds_alternative<bool>(value);
    case Type::integer:
      return std::holds_alternative<std::int64_t>(value);
    case Type::number:
      return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
    case Type::text:
      return std::holds_alternative<std::string>(value);
  }
  SPECDEC_ASSERT(false);
}

std::string_view name_of(ArmOption::Type type) {
  switch (type) {
    case Type::flag:
      return "true or false";
    case Type::integer:
      return "a whole number";
    case Type::number:
      return "a number";
    case Type::text:
      return "a text in quotes";
  }
  SPECDEC_ASSERT(false);
}

std::string text_of(const OptionValue& value) {
  return std::visit(
      [](const auto& of) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(of)>, std::string>) {
          return of;
        } else {
          return fmt::format("{}", of);
        }
      },
      value);
}

Setting without_idle_options(Setting setting) {
  if (drafts(setting)) return setting;
  for (const std::string_view option : kDrafting) setting.erase(std::string(option));
  for (const char* option : {"rule", "verify_experts"}) setting.erase(option);
  return setting;
}

Arm arm_of(const Setting& given) {
  const Setting setting = without_idle_options(given);
  const Reader reader(setting);
  Arm arm;
  reader.text("target", arm.target);
  reader.text("draft", arm.draft);
  int unused = 0;
  reader.integer("k", unused, 1);
  reader.integer("width", unused, 1);
  reader.integer("rows", unused, 1);
  for (const std::string_view option : kDrafting) {
    if (const OptionValue* value = reader.find(option)) arm.draft += fmt::format(",{}={}", option, text_of(*value));
  }
  checked("draft", [&] {
    DrafterSpec spec = parse_drafter_spec(arm.draft);
    find_drafter(spec);
    take_policy(spec);
    if (!take_plan(spec)) take_budget(spec, {});
  });

  TrialOptions& trial = arm.trial;
  reader.text("rule", trial.rule);
  checked("rule", [&] { make_rule(trial.rule); });
  reader.integer("verify_experts", trial.verify_experts, 1);
  reader.number("temperature", trial.sampler.temperature);
  reader.integer("top_k", trial.sampler.top_k, 0);
  reader.number("top_p", trial.sampler.top_p);
  reader.number("min_p", trial.sampler.min_p);
  trial.sampler.check();
  int seed = 1;
  reader.integer("seed", seed, 0);
  trial.seed = static_cast<std::uint64_t>(seed);
  reader.integer("max_tokens", trial.max_tokens, 1);
  reader.flag("ignore_eos", arm.ignore_eos);
  reader.integer("prefill_step", trial.prefill_step, 1);
  reader.text("prompts", arm.prompts);
  reader.integer("prompts_per_domain", arm.prompts_per_domain, 0);
  if (bool chat = false; reader.find("chat") != nullptr) {
    reader.flag("chat", chat);
    arm.chat = chat;
  }
  if (std::string system; reader.find("system") != nullptr) {
    reader.text("system", system);
    arm.system = system;
  }

  each_engine_option(arm.engine, [&](std::string_view name, auto& into) {
    if constexpr (std::is_same_v<decltype(into), int&>) {
      reader.integer(name, into, 0);
    } else {
      reader.text(name, into);
    }
  });
  return arm;
}

std::string identity_of(const Setting& setting) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [name, value] : without_idle_options(setting)) all[name] = json_of(value);
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string label_of(const Setting& given, std::span<const std::string> axes) {
  constexpr std::array<std::string_view, 3> kPlain{"target", "draft", "prompts"};  // their values say what they are
  const Setting setting = without_idle_options(given);
  std::vector<std::string> parts;
  for (const std::string& axis : axes) {
    const auto found = setting.find(axis);
    if (found == setting.end()) continue;
    const bool plain = std::ranges::find(kPlain, axis) != kPlain.end();
    parts.push_back(plain ? text_of(found->second) : fmt::format("{}={}", axis, text_of(found->second)));
  }
  return parts.empty() ? "only arm" : fmt::format("{}", fmt::join(parts, " "));
}

}  // namespace specdec
