// How many experts a guessed row shares with the row before it, by what became of the guess: on the held-out texts of
// models/recipe, and on what the target writes after their first halves at temperature 1. Markdown; docs/overlap.md is
// its output.
//   overlap_bench [TARGET [DRAFTER...]]     else demo-moe with mtp and demo-draft
//   overlap_bench --curve [TARGET]          only verify/overlaps/TARGET.json: how many experts 1 to 16 rows wake
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/traffic.h"
#include "experiments/forced_text.h"
#include "experiments/interval.h"
#include "experiments/prompt_file.h"
#include "tokenizers/utf8.h"
#include "verify/overlap_curve.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kGuesses = 4;
constexpr int kTokens = 192;            // that the target writes after each text
constexpr double kMostRepeated = 0.25;  // of the 4-grams of what it writes; else it went round in circles

using Pairs = SharedTally Neighbours::*;

// One row of the table: a tally for each text.
struct Row {
  std::string text, drafter;
  std::vector<Tally> tallies{};
  int left_out = 0;
};

double mean_of(const Row& row, std::span<const std::size_t> chosen, Pairs pairs) {
  SharedTally all;
  for (const std::size_t i : chosen) all += row.tallies[i].overlap.*pairs;
  return all.mean();
}

Interval mean_of(const Row& row, Pairs pairs) {
  return bootstrap(row.tallies.size(), [&](auto chosen) { return mean_of(row, chosen, pairs); });
}

Interval difference(const Row& row, Pairs a, Pairs b) {
  return bootstrap(row.tallies.size(), [&](auto chosen) { return mean_of(row, chosen, a) - mean_of(row, chosen, b); });
}

std::int64_t count(const Row& row, Pairs pairs) {
  std::int64_t all = 0;
  for (const Tally& tally : row.tallies) {
    all += (tally.overlap.*pairs).pairs / static_cast<std::int64_t>(tally.layers.size());
  }
  return all;
}

std::string cell(const Row& row, Pairs pairs, double even) {
  const std::int64_t all = count(row, pairs);
  if (all == 0) return "-";
  const Interval mean = mean_of(row, pairs);
  return fmt::format("{:.2f} ({:.2f} to {:.2f}), {:.1f} x, {}", mean.value, mean.low, mean.high, mean.value / even,
                     all);
}

void print_overlap(const std::vector<Row>& rows, double even) {
  fmt::print(
      "| text | drafter | accepted | first rejected | what came instead | rejected after rejected |\n"
      "|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    fmt::print("| {} | {} | {} | {} | {} | {} |\n", row.text, row.drafter, cell(row, &Neighbours::kept, even),
               cell(row, &Neighbours::refused, even), cell(row, &Neighbours::corrected, even),
               cell(row, &Neighbours::beyond, even));
  }
}

void print_differences(const std::vector<Row>& rows) {
  fmt::print(
      "\n| text | drafter | first rejected, less accepted | first rejected, less what came instead "
      "|\n|---|---|---|---|\n");
  for (const Row& row : rows) {
    if (count(row, &Neighbours::refused) == 0) continue;
    const Interval place = difference(row, &Neighbours::refused, &Neighbours::kept);
    const Interval guess = difference(row, &Neighbours::refused, &Neighbours::corrected);
    fmt::print("| {} | {} | {:+.2f} ({:+.2f} to {:+.2f}) | {:+.2f} ({:+.2f} to {:+.2f}) |\n", row.text, row.drafter,
               place.value, place.low, place.high, guess.value, guess.low, guess.high);
  }
}

void print_verdict(const std::vector<Row>& rows) {
  int more = 0, fewer = 0, all = 0;
  for (const Row& row : rows) {
    if (count(row, &Neighbours::refused) == 0) continue;
    const Interval guess = difference(row, &Neighbours::refused, &Neighbours::corrected);
    ++all;
    more += guess.low > 0;
    fewer += guess.high < 0;
  }
  fmt::print(
      "\nBeside what came instead, a rejected guess shares more experts with the row before it in {} of {} rows of "
      "this "
      "table, fewer in {};\nin {} no difference was found.\n",
      more, all, fewer, all - more - fewer);
}

// Means per pass over all texts.
void print_unions(const std::vector<Row>& rows) {
  fmt::print(
      "\n| text | drafter | texts | passes | accepted guesses | experts woken | if routing were even | needed by "
      "accepted "
      "rows | only by rejected rows |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    double steps = 0, drafted = 0, accepted = 0, woken = 0, uniform = 0, needed = 0, wasted = 0;
    for (const Tally& tally : row.tallies) {
      steps += static_cast<double>(tally.steps);
      drafted += static_cast<double>(tally.drafted);
      accepted += static_cast<double>(tally.accepted);
      const double weight = static_cast<double>(tally.steps) / static_cast<double>(tally.layers.size());
      for (const LayerTally& layer : tally.layers) {
        woken += weight * layer.woken;
        uniform += weight * layer.uniform;
        needed += weight * layer.accepted;
        wasted += weight * layer.rejected_only;
      }
    }
    if (count(row, &Neighbours::refused) == 0) continue;
    fmt::print("| {} | {} | {} | {:.0f} | {:.0f} % | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", row.text, row.drafter,
               row.tallies.size(), steps, 100 * accepted / drafted, woken / steps, uniform / steps, needed / steps,
               wasted / steps);
  }
}

void print_layers(const Row& row) {
  fmt::print(
      "\n| layer | accepted | first rejected | what came instead | rejected after rejected |\n|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < row.tallies.front().layers.size(); ++i) {
    Neighbours all;
    for (const Tally& tally : row.tallies) all += tally.layers[i].overlap;
    fmt::print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", row.tallies.front().layers[i].layer, all.kept.mean(),
               all.refused.mean(), all.corrected.mean(), all.beyond.mean());
  }
}

constexpr int kMostRows = 16;

std::vector<RoutedText> routed_texts(const LoadedTarget& target, const std::vector<std::string>& texts) {
  std::vector<RoutedText> all;
  for (const std::string& text : texts) {
    RoutedText& routed = all.emplace_back();
    for (const StepRecord& step : reading_steps(target, encode_prompt(target, text))) {
      routed.add(step.path, step.routed);
    }
  }
  return all;
}

std::vector<std::string> held_out() { return read_texts(SPECDEC_SOURCE_DIR "/models/recipe/heldout_sample.jsonl"); }

void print_curve(const std::string& target_name) {
  Engine engine({});
  const LoadedTarget target = load_target(target_name, engine);
  const std::vector<std::string> texts = held_out();
  const std::vector<RoutedText> routed = routed_texts(target, texts);
  int tokens = 0;
  for (const RoutedText& text : routed) tokens += text.tokens();
  fmt::print("{}", json_of(OverlapCurve{
                       .name = target_name,
                       .title = fmt::format("{} on held-out text", target_name),
                       .source = fmt::format("overlap_bench --curve {}, model {}: windows of {} tokens of {} texts of "
                                             "models/recipe/heldout_sample.jsonl, mean of {} layers",
                                             target_name, target.model->info().hash, tokens, texts.size(),
                                             routed.front().layers()),
                       .experts = target.model->info().experts,
                       .experts_per_token = target.model->info().experts_per_token,
                       .unions = mean_unions(routed, kMostRows)}));
}

// How the union grows with the rows of a pass, with intervals over the texts.
void print_growth(const LoadedTarget& target, const std::vector<std::string>& texts) {
  const std::vector<RoutedText> routed = routed_texts(target, texts);
  std::vector<std::vector<double>> sums;  // of each text
  for (const RoutedText& text : routed) sums.push_back(text.summed_unions(kMostRows));
  const ModelInfo& info = target.model->info();
  fmt::print(
      "\nHow many experts w neighbouring tokens of held-out text wake, mean of layers and of all places in the texts, "
      "with the same\nintervals; beside it even and independent routing, and the share of it. `specdec predict "
      "--overlap demo-moe` and\n`specdec probe` take this curve (verify/overlaps).\n\n"
      "| rows | experts woken | if routing were even | share |\n|---|---|---|---|\n");
  for (const int rows : {1, 2, 3, 4, 5, 6, 8, 12, 16}) {
    const Interval woken = bootstrap(routed.size(), [&](auto chosen) {
      double sum = 0, places = 0;
      for (const std::size_t i : chosen) {
        sum += sums[i][static_cast<std::size_t>(rows - 1)];
        places += routed[i].places(rows);
      }
      return sum / places;
    });
    const double even_union = uniform_union(info.experts, info.experts_per_token, rows);
    fmt::print("| {} | {:.2f} ({:.2f} to {:.2f}) | {:.2f} | {:.2f} |\n", rows, woken.value, woken.low, woken.high,
               even_union, woken.value / even_union);
  }
}

void measure(const std::string& target_name, const std::vector<std::string>& drafts) {
  Engine engine({});
  const LoadedTarget target = load_target(target_name, engine);
  const ModelInfo& info = target.model->info();
  const auto tally = [&](std::span<const StepRecord> steps) { return tally_of(steps, info, target.model->bytes()); };
  const std::vector<std::string> texts = held_out();

  Row reading{"held-out", "none: all tokens"};
  for (const std::string& text : texts) {
    reading.tallies.push_back(tally(reading_steps(target, encode_prompt(target, text))));
  }
  std::vector<Row> rows{reading};
  for (const std::string& draft : drafts) {
    const LoadedDrafter drafter = load_drafter(draft, kGuesses, target, engine);
    Row forced{"held-out", draft};
    Row written{"written at temperature 1", draft};
    std::uint64_t seed = 1;
    for (const std::string& text : texts) {
      forced.tallies.push_back(tally(forced_steps(target, drafter, encode_prompt(target, text), {.temperature = 0})));
      const auto half = std::string_view(text).substr(0, utf8_valid_prefix(text.substr(0, text.size() / 2)));
      const TrialOptions options{
          .sampler = {.temperature = 1}, .seed = seed++, .max_tokens = kTokens, .eos = target.eos};
      Tally of_trial = tally(run_trial(target, drafter, encode_prompt(target, half), options, engine).steps);
      if (of_trial.repeated_ngrams > kMostRepeated) {
        ++written.left_out;
      } else {
        written.tallies.push_back(std::move(of_trial));
      }
    }
    rows.push_back(std::move(forced));
    rows.push_back(std::move(written));
  }

  const double even = uniform_overlap(info.experts, info.experts_per_token);
  fmt::print(
      "# Do rejected rows wake other experts?\n\n"
      "Made by `build/release/overlap_bench > docs/overlap.md`: {}, {} experts per layer of which a row chooses {}, {} "
      "guesses "
      "per pass.\n\nA pass of speculative decoding has a row for each guess. Two neighbouring rows, a token and the "
      "guess "
      "that follows it,\nshare some experts, and what they share is read once. Even routing would share k²/E = {:.2f}. "
      "The table says how many\nthey share on average over the layers, by what became of the second row, with the "
      "interval that "
      "holds 95 % of the means when\nthe texts are drawn again, how many times even routing's that is, and the number "
      "of pairs.\n\n"
      "- held-out: the {} texts of `models/recipe/heldout_sample.jsonl`, which no shipped model has seen. The drafter "
      "guesses its "
      "likeliest\n  tokens; those that the text says stay. \"All tokens\" is the text read in wide passes.\n"
      "- written: up to {} tokens that the target writes after the first half of each, at temperature 1, guesses drawn "
      "by the "
      "drafter\n  and judged by the lossless rule. Texts of which more than {:.0f} % of the 4-grams repeat are left "
      "out.\n"
      "- A first rejected row stands at a place that is hard to guess. \"What came instead\" is the token that text or "
      "target "
      "had in\n  that place, after the same row: only the difference of these two is due to the guess being wrong.\n\n",
      target_name, info.experts, info.experts_per_token, kGuesses, even, texts.size(), kTokens, 100 * kMostRepeated);
  print_overlap(rows, even);
  for (const Row& row : rows) {
    if (row.left_out > 0) fmt::print("\n{}, {}: {} texts left out.\n", row.text, row.drafter, row.left_out);
  }
  fmt::print("\nDifferences, with the same intervals: zero within one is no difference found.\n");
  print_differences(rows);
  print_verdict(rows);
  fmt::print("\nExperts of a pass, means over layers and passes.\n");
  print_unions(rows);
  print_growth(target, texts);
  for (const Row& row : rows) {
    if (count(row, &Neighbours::refused) == 0) continue;
    fmt::print("\nBy layer: {}, {}.\n", row.text, row.drafter);
    print_layers(row);
  }
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (!words.empty() && words.front() == "--curve") {
      specdec::print_curve(words.size() > 1 ? words[1] : "demo-moe");
      return 0;
    }
    const std::vector<std::string> given(words.begin() + std::min<std::ptrdiff_t>(1, std::ssize(words)), words.end());
    specdec::measure(words.empty() ? "demo-moe" : words.front(),
                     given.empty() ? std::vector<std::string>{"mtp", "small:demo-draft"} : given);
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "overlap_bench: {}\n", error.what());
    return 1;
  }
}
