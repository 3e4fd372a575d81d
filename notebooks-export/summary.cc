#include "notebooks-export/summary.h"

#include <fmt/format.h>

#include <optional>

#include "notebooks-export/cells.h"

namespace specdec {
namespace {

std::optional<std::size_t> fastest_arm(const Table& arms, bool lossless) {
  std::optional<std::size_t> best;
  for (std::size_t row = 0; row < arms.rows.size(); ++row) {
    const auto value = number_at(arms, row, "speed_up");
    if (!value || (lossless && number_at(arms, row, "lossless") == 0.0)) continue;
    if (!best || *value > *number_at(arms, *best, "speed_up")) best = row;
  }
  return best;
}

}  // namespace

std::string finding_of(const Results& results) {
  const Table& arms = results.table("arms");
  const std::optional<std::size_t> lossless = fastest_arm(arms, true);
  const std::optional<std::size_t> best = lossless ? lossless : fastest_arm(arms, false);
  if (!best) return "No arm was timed beside plain decoding, so nothing is said about speed.";
  const double value = *number_at(arms, *best, "speed_up");
  const auto low = number_at(arms, *best, "speed_up_low"), high = number_at(arms, *best, "speed_up_high");
  std::string words = arms.rows.size() == 1 ? "The only arm" : fmt::format("The fastest of {} arms", arms.rows.size());
  words += fmt::format(", {}{}, decodes {:.2f} times as fast as plain decoding", text_at(arms, *best, "arm"),
                       lossless ? "" : " (lossy, as all are)", value);
  if (!low || !high) return words + "; there is no interval, so chance is not ruled out.";
  words += fmt::format(" (95 % interval {:.2f} to {:.2f})", *low, *high);
  if (*low > 1) return words + ": guessing pays.";
  return words + (*high < 1 ? ": guessing does not pay." : ": within chance, no faster and no slower.");
}

Table summary_of(const Results& results) {
  const Table& arms = results.table("arms");
  Table summary{"summary", "The arms and what they came to.", {}, std::vector<std::vector<Cell>>(arms.rows.size())};
  for (const char* name : {"arm", "speed_up", "speed_up_low", "speed_up_high", "tokens_per_pass", "accepted_share",
                           "tokens_per_s", "plain_tokens_per_s", "read_mb_per_token", "loaded_mb_per_token",
                           "experts_per_layer", "identical_share", "lossless", "texts", "tokens", "stopped"}) {
    const std::size_t column = arms.column(name);
    if (!has_values(arms, column) && std::string_view(name) != "arm") continue;
    summary.columns.push_back(arms.columns[column]);
    for (std::size_t row = 0; row < arms.rows.size(); ++row) summary.rows[row].push_back(arms.rows[row][column]);
  }
  return summary;
}

std::vector<std::pair<std::string, std::string>> about(const Results& results) {
  std::vector<std::pair<std::string, std::string>> said{{"experiment", results.experiment},
                                                        {"question", results.question},
                                                        {"method", results.method},
                                                        {"finding", finding_of(results)}};
  for (const std::string& warning : results.warnings) said.emplace_back("warning", warning);
  said.insert(said.end(), results.provenance.begin(), results.provenance.end());
  return said;
}

Table codebook_of(const Results& results) {
  Table codebook{"codebook",
                 "What each column of each table means.",
                 {{"table", "", "The table."},
                  {"column", "", "The column."},
                  {"unit", "", "Its unit; empty for words and for plain numbers."},
                  {"meaning", "", "What it says."}},
                 {}};
  for (const Table& table : results.tables) {
    for (const Column& column : table.columns)
      codebook.rows.push_back({table.name, column.name, column.unit, column.meaning});
  }
  return codebook;
}

}  // namespace specdec
