// What guessing gains on a model as it is shipped, by drafter and number of guesses: on a few prompts of all domains,
// and on code and structured text apart.
//   decode_bench [TARGET [DRAFT [THREADS]]]     else demo-moe and demo-draft on all cores
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files/hf_cache.h"
#include "core/files/mapped_file.h"
#include "experiments/machine.h"
#include "experiments/median.h"
#include "experiments/prompt_file.h"
#include "experiments/provenance.h"
#include "experiments/trial.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kPairs = 5;  // runs of each drafter, each beside one of plain decoding

// Texts that are measured together.
struct Texts {
  std::string name;
  std::vector<std::string> prompts;
  int tokens;  // of each, at most
  int most_depth;
};

// All texts, one after the other, as if they were one run.
Tally run_all(const LoadedTarget& target, const LoadedDrafter& drafter, const Texts& texts, Engine& engine) {
  std::vector<StepRecord> steps;
  const TrialOptions options{.max_tokens = texts.tokens, .eos = target.eos};
  for (const std::string& prompt : texts.prompts) {
    Trial trial = run_trial(target, drafter, encode_prompt(target, prompt), options, engine);
    std::ranges::move(trial.steps, std::back_inserter(steps));
  }
  return tally_of(steps, target.model->info(), target.model->bytes());
}

// A few prompts of every domain.
Texts texts_of_all(const std::vector<NamedPrompt>& all) {
  constexpr std::size_t kEach = 12;
  Texts texts{.name = "all domains", .prompts = {}, .tokens = 128, .most_depth = 8};
  for (std::size_t i = 0; i < all.size(); i += kEach) texts.prompts.push_back(all[i].text);
  return texts;
}

// Pieces of this project's own code, which no shipped model has seen.
std::vector<std::string> pieces_of_code() {
  constexpr std::size_t kFrom = 300, kLength = 800;
  std::vector<std::string> pieces;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(SPECDEC_SOURCE_DIR) / "core")) {
    if (entry.path().extension() != ".cc" || entry.file_size() < kFrom + kLength) continue;
    pieces.emplace_back(MappedFile(entry.path()).text().substr(kFrom, kLength));
  }
  std::ranges::sort(pieces);
  return pieces;
}

std::vector<std::string> prompts_of(std::string_view domain, const std::vector<NamedPrompt>& all) {
  std::vector<std::string> texts;
  for (const NamedPrompt& prompt : all) {
    if (prompt.domain == domain) texts.push_back(prompt.text);
  }
  return texts;
}

// Their continuations, without those that go round in circles: guessing them is too easy.
Texts continuations(std::string name, const std::vector<std::string>& prompts, const LoadedTarget& target,
                    Engine& engine) {
  constexpr double kMostRepeated = 0.5;
  constexpr std::size_t kMostTexts = 12;
  Texts texts{.name = std::move(name), .prompts = {}, .tokens = 256, .most_depth = 4};
  for (const std::string& prompt : prompts) {
    if (texts.prompts.size() == kMostTexts) break;
    const Texts alone{.name = {}, .prompts = {prompt}, .tokens = texts.tokens, .most_depth = 0};
    if (run_all(target, no_drafter(), alone, engine).repeated_ngrams <= kMostRepeated) texts.prompts.push_back(prompt);
  }
  return texts;
}

// One drafter with one K, measured several times, each time beside plain decoding.
struct Row {
  LoadedDrafter drafter;
  std::vector<double> tokens_per_s{}, ratios{};
  std::vector<double> step{}, look{}, guess{};  // time of a step and of its parts, in steps of plain decoding
  Tally tally{};                                // of the last run: counts are the same in all

  void add(const Tally& measured, const Tally& plain) {
    const double plain_step_s = plain.times.total_s() / static_cast<double>(plain.steps);
    const double unit_s = plain_step_s * static_cast<double>(measured.steps);
    tokens_per_s.push_back(1 / measured.seconds_per_token());
    ratios.push_back(plain.seconds_per_token() / measured.seconds_per_token());
    step.push_back(measured.times.total_s() / unit_s);
    look.push_back(measured.times.look_s / unit_s);
    guess.push_back((measured.times.guess_s + measured.times.tell_s) / unit_s);
    tally = measured;
  }
};

void print_row(const Row& row, const Tally& plain) {
  const auto [least, most] = std::ranges::minmax(row.ratios);
  const double drafted = static_cast<double>(std::max<std::int64_t>(1, row.tally.drafted));
  fmt::print("{:<8}{:>3}{:>10.0f}{:>9.2f}{:>12}{:>13.2f}{:>7.2f}{:>7.2f}{:>7.2f}{:>9.0f} %{:>7.2f}{:>10.2f}{:>14.2f}\n",
             row.drafter.spec.kind, row.drafter.budget.depth, median(row.tokens_per_s), median(row.ratios),
             fmt::format("{:.2f}-{:.2f}", least, most), row.tally.tokens_per_pass, median(row.step), median(row.look),
             median(row.guess), 100 * static_cast<double>(row.tally.accepted) / drafted, row.tally.alpha,
             row.tally.bytes_per_token() / 1e6, compare(row.tally, plain).break_even_bytes);
}

void print_best(const std::vector<Row>& rows) {
  const Row& best = *std::ranges::max_element(rows, {}, [](const Row& row) { return median(row.ratios); });
  fmt::print(
      "{}: best K = {}, {:.2f} times plain decoding; a pass gives {:.2f} tokens and takes {:.2f} plain steps (looking "
      "{:.2f}, guessing {:.2f})\n",
      best.drafter.spec.kind, best.drafter.budget.depth, median(best.ratios), best.tally.tokens_per_pass,
      median(best.step), median(best.look), median(best.guess));
}

void print_drafters(const LoadedTarget& target, const std::vector<std::string>& drafters, const Texts& texts,
                    Engine& engine) {
  if (texts.prompts.empty()) return fmt::print("\n{}: left out, every text repeats itself\n", texts.name);
  std::vector<std::vector<Row>> rows;
  for (const std::string& drafter : drafters) {
    std::vector<Row>& of_drafter = rows.emplace_back();
    for (int k = 1; k <= texts.most_depth; ++k) of_drafter.push_back({load_drafter(drafter, k, target, engine)});
  }
  Tally plain = run_all(target, no_drafter(), texts, engine);  // warms up
  std::vector<double> plain_rates;
  for (int pair = 0; pair < kPairs; ++pair) {
    for (std::vector<Row>& of_drafter : rows) {
      for (Row& row : of_drafter) {
        plain = run_all(target, no_drafter(), texts, engine);
        plain_rates.push_back(1 / plain.seconds_per_token());
        row.add(run_all(target, row.drafter, texts, engine), plain);
      }
    }
  }
  fmt::print("\n{}: greedy, {} prompts, {} tokens each at most (medians of {} runs, each beside a run of plain\n",
             texts.name, texts.prompts.size(), texts.tokens, kPairs);
  fmt::print("decoding; step, look and guess: time of a step and of its parts, in steps of plain decoding)\n");
  fmt::print("{:<8}{:>3}{:>10}{:>9}{:>12}{:>13}{:>7}{:>7}{:>7}{:>11}{:>7}{:>10}{:>14}\n", "drafter", "K", "tokens/s",
             "x plain", "range", "tokens/pass", "step", "look", "guess", "accepted", "alpha", "MB/token",
             "step by bytes");
  fmt::print("{:<8}{:>3}{:>10.0f}{:>9.2f}{:>12}{:>13.2f}{:>7.2f}{:>7}{:>7}{:>11}{:>7}{:>10.2f}{:>14.2f}\n", "none", "-",
             median(plain_rates), 1.0, "", 1.0, 1.0, "", "", "", "", plain.bytes_per_token() / 1e6, 1.0);
  for (const auto& of_drafter : rows) {
    for (const Row& row : of_drafter) print_row(row, plain);
  }
  fmt::print("\nplain decoding: {:.0f} tokens/s on {} threads\n", median(plain_rates), engine.threads());
  for (const auto& of_drafter : rows) print_best(of_drafter);
}

void bench(const std::vector<std::string>& words) {
  if (words.size() > 3 || (!words.empty() && words.front().starts_with("-"))) {
    throw UsageError("expected [TARGET [DRAFT [THREADS]]], found: {}", fmt::join(words, " "));
  }
  const auto word = [&](std::size_t i, const std::string& otherwise) {
    return i < words.size() ? words[i] : otherwise;
  };
  const std::string draft = word(1, "demo-draft");
  Engine engine({.threads = std::atoi(word(2, "0").c_str())});
  const LoadedTarget target = load_target(word(0, "demo-moe"), engine);
  fmt::print("{}", head_of(utc_now(), this_machine(), engine.threads(), engine.cpu_level(), target));
  const std::vector<std::string> drafters{"mtp", "small:" + draft};
  const auto prompts = read_prompts("losslessness");
  print_drafters(target, drafters, texts_of_all(prompts), engine);
  print_drafters(target, drafters, continuations("code", pieces_of_code(), target, engine), engine);
  print_drafters(target, drafters, continuations("structured", prompts_of("structured", prompts), target, engine),
                 engine);
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  try {
    specdec::bench({argv + 1, argv + argc});
    return 0;
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "decode_bench: {}\n", error.what());
    return 1;
  }
}
