// specdec results: what a store has.
#include "experiments/results.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cli/command.h"
#include "core/error.h"
#include "experiments/arm_comparison.h"
#include "experiments/duration.h"

namespace specdec {
namespace {

std::string interval_text(const Interval& interval) {
  if (std::isnan(interval.low)) return fmt::format("{:.3f} (one measurement: no interval)", interval.value);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", interval.value, interval.low, interval.high);
}

// A number as a reader of a terminal wants it.
std::string short_text(const Cell& cell) {
  const auto* number = std::get_if<double>(&cell);
  if (number == nullptr) return text_of(cell);
  const double size = std::abs(*number);
  return size >= 100  ? fmt::format("{:.0f}", *number)
         : size >= 10 ? fmt::format("{:.1f}", *number)
                      : fmt::format("{:.3g}", *number);
}

std::size_t width_of(const std::string& text) {  // of UTF-8, in characters
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + (i + 1 == row.size() ? "" : std::string(widths[i] - width_of(row[i]) + 2, ' '));
    fmt::print("{}\n", line);
  }
}

class ShowResults : public Job {
 public:
  std::vector<Option> options() override {
    return {{"what", &words_,
             "list; show EXPERIMENT; compare A B, each EXPERIMENT or EXPERIMENT:OPTION=VALUE[,…]; merge STORE …",
             Option::Presence::positional},
            {"store", &store_, "the SQLite file that keeps the results"},
            {"where", &where_, "with show: OPTION=VALUE …: only arms with these values"},
            {"table", &table_, "with show: arms, positions, layers or texts, whole"},
            {"codebook", &codebook_, "with show: what each column means"}};
  }

  int run() override {
    if (words_.empty()) words_ = {"list"};
    const std::string verb = words_.front();
    const std::vector<std::string> rest(words_.begin() + 1, words_.end());
    if (verb != "show" && (!where_.empty() || table_ || codebook_))
      throw UsageError("specdec results {}: --where, --table and --codebook are for show", verb);
    if (verb == "list" && rest.empty()) return list();
    if (verb == "show" && rest.size() == 1) return show(rest.front());
    if (verb == "compare" && rest.size() == 2) return compare(rest[0], rest[1]);
    if (verb == "merge" && !rest.empty()) return merge(rest);
    throw UsageError("specdec results {}: expected list, show EXPERIMENT, compare A B or merge STORE …",
                     fmt::join(words_, " "));
  }

 private:
  int list() const {
    const ResultStore store(store_, ResultStore::Mode::read);
    std::vector<std::vector<std::string>> rows{{"experiment", "trials", "arms", "begun", "question"}};
    for (const StoredExperiment& experiment : store.experiments()) {
      rows.push_back({fmt::format("{}@{}", experiment.name, experiment.fingerprint.substr(0, 8)),
                      fmt::format("{}/{}{}", experiment.finished, experiment.arms * experiment.repeats,
                                  experiment.finished == 0 ? ", nothing measured" : ""),
                      fmt::format("{}", experiment.arms), experiment.created, experiment.question});
    }
    print_columns(rows);
    return 0;
  }

  int show(const std::string& name) const {
    const ResultStore store(store_, ResultStore::Mode::read);
    const StoredExperiment experiment = find_experiment(store, name);
    const Results results = results_of(store, experiment, parse_conditions(where_));
    if (codebook_) {
      print_codebook(results);
      return 0;
    }
    if (table_) {
      print_table(results.table(*table_), {});
      return 0;
    }
    if (!results.question.empty()) fmt::print("{}\n\n", results.question);
    print_table(results.table("arms"),
                {"arm", "repeats", "texts", "tokens_per_pass", "accepted_share", "speed_up", "speed_up_low",
                 "speed_up_high", "tokens_per_s", "plain_tokens_per_s", "read_mb_per_token", "plain_read_mb_per_token",
                 "loaded_mb_per_token", "experts_per_layer"});
    fmt::print("\n{} of {} trials\n", experiment.finished, experiment.arms * experiment.repeats);
    for (const std::string& warning : results.warnings) fmt::print("note: {}\n", warning);
    for (const auto& [what, value] : results.provenance) {
      if (what != "config") fmt::print("{}: {}\n", what, value);
    }
    return 0;
  }

  static void print_table(const Table& table, const std::vector<std::string>& chosen) {
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (chosen.empty() || std::ranges::find(chosen, table.columns[i].name) != chosen.end()) columns.push_back(i);
    }
    std::vector<std::vector<std::string>> rows(1);
    for (const std::size_t i : columns) rows.front().push_back(table.columns[i].name);
    for (const auto& row : table.rows) {
      auto& texts = rows.emplace_back();
      for (const std::size_t i : columns) texts.push_back(short_text(row[i]));
    }
    print_columns(rows);
  }

  static void print_codebook(const Results& results) {
    for (const Table& table : results.tables) {
      fmt::print("{}: {}\n", table.name, table.meaning);
      std::vector<std::vector<std::string>> rows;
      for (const Column& column : table.columns) rows.push_back({"  " + column.name, column.unit, column.meaning});
      print_columns(rows);
      fmt::print("\n");
    }
  }

  // EXPERIMENT[:OPTION=VALUE,…]
  struct Side {
    StoredExperiment experiment;
    std::vector<Condition> conditions;
  };
  static Side side_of(const ResultStore& store, const std::string& text) {
    const std::size_t colon = text.find(':');
    Side side{find_experiment(store, text.substr(0, colon)), {}};
    for (std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1); !rest.empty();) {
      const std::size_t comma = rest.find(',');
      side.conditions.push_back(parse_condition(rest.substr(0, comma)));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    return side;
  }

  int compare(const std::string& a, const std::string& b) const {
    const ResultStore store(store_, ResultStore::Mode::read);
    const Side first = side_of(store, a), second = side_of(store, b);
    const ArmComparison found =
        compare_arms(store, first.experiment, first.conditions, second.experiment, second.conditions);
    fmt::print("first:  {}\nsecond: {}\n{}\n\n", found.first.label, found.second.label, pairing_text(found));
    fmt::print("second relative to first, with 95 % intervals over prompts:\n");
    fmt::print("speed-up over plain decoding, mean over prompts: {}\n", interval_text(found.speed));
    fmt::print("tokens per pass, mean over prompts: {}\n\n{}\n", interval_text(found.tokens_per_pass), found.verdict);
    return 0;
  }

  int merge(const std::vector<std::string>& others) const {
    ResultStore store(store_, ResultStore::Mode::write);
    for (const std::string& path : others) {
      const MergeCounts counts = store.merge(ResultStore(path, ResultStore::Mode::read));
      fmt::print("{}: {} trials taken over, {} were there already and stay as they are; {} new experiments\n", path,
                 counts.trials, counts.known, counts.experiments);
    }
    return 0;
  }

  std::vector<std::string> words_, where_;
  std::string store_ = "specdec.db";
  std::optional<std::string> table_;
  bool codebook_ = false;
};

}  // namespace

Command command_results() {
  return {"results", "show, compare and merge what sweeps have measured", make_job<ShowResults>};
}

}  // namespace specdec
