// What an experiment found, as tables: all that an export sees.
//   const Results results = results_of(store, find_experiment(store, "depth"));
//   for (const Table& table : results.tables) …
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace specdec {

using Cell = std::variant<std::monostate, std::int64_t, double, std::string>;  // nothing: was not measured
std::string text_of(const Cell& cell);                                         // of nothing: empty

struct Column {
  std::string name;     // ends in its unit where it has one: look_ms_per_pass
  std::string unit;     // "" for a number without one and for words
  std::string meaning;  // a sentence for the codebook
};

struct Table {
  std::string name, meaning;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;

  // Throws Error that lists the columns there are.
  std::size_t column(std::string_view name) const;
};

// Its tables, in this order:
//   arms       a row per setting: an arm of the experiment, with its axes, figures and their 95 % intervals
//   positions  a row per arm and position of a guess: how often it was tested and accepted
//   layers     a row per arm and layer with routed experts: distinct experts that a pass wakes
//   texts      a row per arm, repeat and prompt: what was measured, guessed and plain
struct Results {
  std::string experiment;                                       // its name
  std::string short_id{};                                       // tells it from a namesake; empty: there is none before
  std::string question, method;                                 // sentences
  std::vector<std::string> axes;                                // columns of `arms` that the experiment varies
  std::vector<std::pair<std::string, std::string>> provenance;  // machine, version, models with their hashes, …
  std::vector<std::string> warnings;                            // what a reader must know before he believes a figure
  std::vector<Table> tables;

  const Table& table(std::string_view name) const;  // Throws Error that lists the tables there are.
};

}  // namespace specdec
