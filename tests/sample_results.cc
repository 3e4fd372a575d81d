#include "tests/sample_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace specdec {
namespace {

constexpr int kExperts = 64, kWokenByOne = 4;

Table table_of(std::string name, std::string meaning, const std::vector<std::string>& columns) {
  Table table{std::move(name), std::move(meaning), {}, {}};
  for (const std::string& column : columns) {
    const char* unit = column.find("_ms_") != column.npos   ? "ms"
                       : column.find("_mb_") != column.npos ? "MB"
                       : column.ends_with("_per_s")         ? "tokens/s"
                       : column.ends_with("_s")             ? "s"
                       : column.ends_with("_bytes")         ? "bytes"
                                                            : "";
    table.columns.push_back({column, unit, "What " + column + " says."});
  }
  return table;
}

std::vector<Table> tables_of(const std::vector<std::string>& axes) {
  std::vector<std::string> arms{"arm"}, texts{"arm"};
  arms.insert(arms.end(), axes.begin(), axes.end());
  texts.insert(texts.end(), axes.begin(), axes.end());
  for (const char* name : {"lossless", "repeats", "texts", "tokens", "stopped"}) arms.emplace_back(name);
  for (const std::string name : {"tokens_per_pass", "accepted_share", "speed_up"})
    arms.insert(arms.end(), {name, name + "_low", name + "_high"});
  for (const char* name :
       {"tokens_per_s", "plain_tokens_per_s", "read_mb_per_token", "plain_read_mb_per_token", "loaded_mb_per_token",
        "plain_loaded_mb_per_token", "experts_per_layer", "wasted_experts_share", "guess_ms_per_pass",
        "look_ms_per_pass", "judge_ms_per_pass", "keep_ms_per_pass", "tell_ms_per_pass", "identical_share"})
    arms.emplace_back(name);
  for (const char* name :
       {"repeat", "prompt", "domain", "seed", "order", "tokens", "passes", "drafted", "accepted", "guessed_s",
        "plain_s", "read_bytes", "plain_read_bytes", "loaded_bytes", "plain_loaded_bytes", "identical"})
    texts.emplace_back(name);
  return {table_of("arms", "A row per arm of the experiment.", arms),
          table_of("positions", "How often the guess at each position was tested and accepted.",
                   {"arm", "position", "tested", "accepted", "accepted_share"}),
          table_of("layers", "Distinct experts that a pass wakes in each layer, mean.",
                   {"arm", "layer", "experts_woken", "experts_accepted", "experts_rejected_only", "experts_uniform"}),
          table_of("texts", "A row per text that was decoded.", texts)};
}

// A row of nothing but these.
void add_row(Table& table, const std::vector<std::pair<std::string_view, Cell>>& cells) {
  std::vector<Cell>& row = table.rows.emplace_back(table.columns.size());
  for (const auto& [name, cell] : cells) {
    const auto found = std::ranges::find(table.columns, name, &Column::name);
    row[static_cast<std::size_t>(found - table.columns.begin())] = cell;
  }
}

struct SampleDrafter {
  std::string name;
  double accepted, guess_ms;  // the share of first guesses, and what a guess takes
};

void add_texts(Table& texts, const std::string& arm, const SampleDrafter& drafter, std::int64_t k, double speed_up,
               double tokens_per_pass) {
  for (std::int64_t repeat = 1; repeat <= 2; ++repeat) {
    for (std::int64_t prompt = 1; prompt <= 4; ++prompt) {
      const auto passes = static_cast<std::int64_t>(128 / tokens_per_pass);
      const double plain_s = 1.9 + 0.02 * static_cast<double>(prompt + repeat);
      add_row(texts, {{"arm", arm},
                      {"draft", drafter.name},
                      {"k", k},
                      {"repeat", repeat},
                      {"prompt", fmt::format("p{}", prompt)},
                      {"domain", prompt % 2 == 0 ? "code" : "prose"},
                      {"seed", std::int64_t{17}},
                      {"order", repeat % 2 == 0 ? "plain first" : "guessed first"},
                      {"tokens", std::int64_t{128}},
                      {"passes", passes},
                      {"drafted", passes * k},
                      {"accepted", 128 - passes},
                      {"guessed_s", plain_s / speed_up},
                      {"plain_s", plain_s},
                      {"identical", std::int64_t{1}}});
    }
  }
}

void add_arm(Results& results, const SampleDrafter& drafter, std::int64_t k, int layers) {
  const std::string arm = fmt::format("{} k={}", drafter.name, k);
  double tokens_per_pass = 1, reached = 1, accepted = 0;
  for (std::int64_t position = 1; position <= k; ++position) {
    const double share = drafter.accepted * std::pow(0.96, static_cast<double>(position - 1));
    const auto tested = static_cast<std::int64_t>(4000 * reached);
    add_row(results.tables[1], {{"arm", arm},
                                {"position", position},
                                {"tested", tested},
                                {"accepted", static_cast<std::int64_t>(static_cast<double>(tested) * share)},
                                {"accepted_share", share}});
    reached *= share;
    accepted += reached;
    tokens_per_pass += reached;
  }
  const double rows = static_cast<double>(k + 1),
               even = kExperts * (1 - std::pow(1 - 1.0 * kWokenByOne / kExperts, rows));
  double woken_sum = 0;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const double woken = std::lerp(double{kWokenByOne}, even, 0.6 + 0.36 * static_cast<double>(layer) / layers);
    const double wasted = woken * 0.3 * (1 - accepted / static_cast<double>(k));
    woken_sum += woken;
    add_row(results.tables[2], {{"arm", arm},
                                {"layer", layer + 1},
                                {"experts_woken", woken},
                                {"experts_accepted", woken - wasted},
                                {"experts_rejected_only", wasted},
                                {"experts_uniform", even}});
  }
  const double woken = woken_sum / layers, look_ms = 9 + 1.3 * woken, plain_ms = 9 + 1.3 * kWokenByOne;
  const double guess_ms = drafter.guess_ms * static_cast<double>(k);
  const double speed_up = tokens_per_pass * plain_ms / (guess_ms + look_ms + 0.4), doubt = 0.03 + 0.01 * rows;
  const double loaded = 3.1 * woken / tokens_per_pass;
  add_row(results.tables[0], {{"arm", arm},
                              {"draft", drafter.name},
                              {"k", k},
                              {"temperature", 0.0},
                              {"lossless", std::int64_t{1}},
                              {"repeats", std::int64_t{2}},
                              {"texts", std::int64_t{8}},
                              {"tokens", std::int64_t{1024}},
                              {"stopped", ""},
                              {"tokens_per_pass", tokens_per_pass},
                              {"tokens_per_pass_low", tokens_per_pass * 0.97},
                              {"tokens_per_pass_high", tokens_per_pass * 1.03},
                              {"accepted_share", accepted / static_cast<double>(k)},
                              {"accepted_share_low", 0.95 * accepted / static_cast<double>(k)},
                              {"accepted_share_high", std::min(1.0, 1.05 * accepted / static_cast<double>(k))},
                              {"speed_up", speed_up},
                              {"speed_up_low", speed_up - doubt},
                              {"speed_up_high", speed_up + doubt},
                              {"tokens_per_s", 1000 * speed_up / plain_ms},
                              {"plain_tokens_per_s", 1000 / plain_ms},
                              {"read_mb_per_token", 40 + 6 * loaded},
                              {"plain_read_mb_per_token", 40 + 6 * 3.1 * kWokenByOne},
                              {"loaded_mb_per_token", loaded},
                              {"plain_loaded_mb_per_token", 3.1 * kWokenByOne},
                              {"experts_per_layer", woken},
                              {"wasted_experts_share", 0.3 * (1 - accepted / static_cast<double>(k))},
                              {"guess_ms_per_pass", guess_ms},
                              {"look_ms_per_pass", look_ms},
                              {"judge_ms_per_pass", 0.3},
                              {"keep_ms_per_pass", 0.02},
                              {"tell_ms_per_pass", 0.08},
                              {"identical_share", 1.0}});
  add_texts(results.tables[3], arm, drafter, k, speed_up, tokens_per_pass);
}

Results with_arms(const std::vector<SampleDrafter>& drafters, int layers) {
  Results results = empty_results();
  for (const SampleDrafter& drafter : drafters) {
    for (const std::int64_t k : {1, 2, 4, 8}) add_arm(results, drafter, k, layers);
  }
  return results;
}

}  // namespace

Results empty_results() {
  const std::vector<std::string> axes{"draft", "k", "temperature"};
  return {.experiment = "depth",
          .question = "How far ahead should a drafter guess when the experts of the target do not fit in memory?",
          .method =
              "Each arm decodes the same prompts with guesses and plainly, in pairs and in turn; intervals are "
              "bootstraps over texts.",
          .axes = axes,
          .provenance = {{"program", "specdec 0.1.0 (4150b64)"},
                         {"machine", "Intel Xeon Platinum 8488C, 2 threads, avx512"},
                         {"target", "demo-moe, sha256 3f1c0a…"},
                         {"begun", "2026-11-29T12:00:00Z"}},
          .warnings = {"Figures are made up."},
          .tables = tables_of(axes)};
}

Results sample_results() {
  return with_arms({{"mtp", 0.83, 1.1}, {"ngram", 0.55, 0.05}, {"small:demo-draft", 0.74, 3.0}}, 12);
}

Results crowded_results(int drafters, int layers) {
  std::vector<SampleDrafter> some;
  for (int i = 0; i < drafters; ++i)
    some.push_back({fmt::format("small:models/a-draft-model-with-a-long-name-{}", i), 0.5 + 0.02 * i, 1.0 + 0.1 * i});
  return with_arms(some, layers);
}

Results hostile_results() {
  Results results =
      with_arms({{"<script>alert(1)</script>", 0.8, 1}, {"a,\"b\"\nc | `d` $e$ \"\"\"\\ ünï 推測 🎯", 0.6, 1}}, 12);
  results.experiment = "../<b>\"hostile\" & 'co'</b>";
  results.question = "Is 1 < 2 & \"quoted\"? </title><script>alert(2)</script>";
  results.warnings.push_back("</style><img src=x onerror=alert(3)> _*[link](http://example.org)*_\n# not a heading");
  results.provenance.emplace_back("path | with \"bars\"", "C:\\new\\table \"\"\"\n'''\r\n{}%s");
  results.tables[3].rows.back()[0] = Cell{"NA"};
  results.tables[3].rows.front()[0] = Cell{"007"};
  constexpr std::size_t kLossless = 4;  // behind the label and three axes
  results.tables[0].rows.back()[kLossless] = Cell{std::int64_t{0}};
  return results;
}

}  // namespace specdec
