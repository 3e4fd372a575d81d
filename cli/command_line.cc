#include "cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "core/error.h"
#include "core/kinds.h"
#include "experiments/provenance.h"

namespace specdec {
namespace {

std::string help() {
  std::string text =
      "specdec: does speculative decoding pay on this model, on this machine?\n\n"
      "usage: specdec COMMAND [--option VALUE …]\n\n";
  for (const Command& command : commands()) text += fmt::format("  {:<8} {}\n", command.name, command.summary);
  return text + "\n`specdec COMMAND --help` lists the options of a command.\n";
}

template <typename Value>
CLI::Option* add(CLI::App& app, const std::string& name, Value* value, const std::string& help_text) {
  if constexpr (std::is_same_v<Value, bool>) {
    return app.add_flag(name, *value, help_text);
  } else {
    CLI::Option* option = app.add_option(name, *value, help_text);
    if constexpr (std::is_unsigned_v<Value>) {
      option->check([](const std::string& text) {
        return text.starts_with('-') ? fmt::format("{}: expected 0 or more", text) : std::string();
      });
    }
    if constexpr (requires { value->has_value(); }) return option;
    if constexpr (requires { value->push_back({}); }) return option;
    return option->capture_default_str();
  }
}

void add(CLI::App& app, const Option& option) {
  const bool positional = option.presence == Option::Presence::positional;
  const std::string name = fmt::format("{}{}", positional ? "" : "--", option.name);
  CLI::Option* added = std::visit([&](auto* value) { return add(app, name, value, option.help); }, option.field);
  const bool any_number = positional && std::holds_alternative<std::vector<std::string>*>(option.field);
  if (option.presence != Option::Presence::optional && !any_number) added->required();
}

std::string names_of(const std::vector<Option>& options) {
  std::string names;
  for (const Option& option : options) names += fmt::format("{}--{}", names.empty() ? "" : ", ", option.name);
  return names;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

int run_command(const Command& command, std::span<const std::string> words) {
  const std::unique_ptr<Job> job = command.make();
  CLI::App app(fmt::format("specdec {}: {}", command.name, command.summary), fmt::format("specdec {}", command.name));
  app.footer(fmt::format("Exit code: 0{}; 1: an error; 2: an error in what was typed", command.exit_codes));
  const std::vector<Option> options = job->options();
  for (const Option& option : options) add(app, option);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes the last word first
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> unknown = app.remaining();
    throw UsageError("{} does not know {}; its options are: {}", command.name, fmt::join(unknown, " "),
                     names_of(options));
  } catch (const CLI::ParseError& error) {
    throw UsageError("{}: {}; `specdec {} --help` lists its options", command.name, one_line(error.what()),
                     command.name);
  }
  return job->run();
}

}  // namespace

int run_command_line(std::span<const std::string> words) {
  if (words.empty()) throw UsageError("no command is given; start with `specdec run`, or see `specdec --help`");
  if (words.front() == "--help" || words.front() == "-h" || words.front() == "help") {
    fmt::print("{}", help());
    return 0;
  }
  if (words.front() == "--version") {
    fmt::print("specdec {}\n", version());
    return 0;
  }
  return run_command(find_kind(commands(), "command", words.front()), words.subspan(1));
}

}  // namespace specdec
