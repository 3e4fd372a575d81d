// What drafters give, by domain, on the held-out texts of models/recipe: tokens per pass, alpha and acceptance by
// position, where the text decides what stays, at temperature 1 and greedily; what block verification adds on the same
// passes; what a guess costs. Counted, not timed. Markdown; docs/acceptance.md is its output.
//   acceptance_bench [TARGET [DRAFTER...]]     else demo-moe with all that can draft for it, chains of 4 and trees
// A drafter's corpus=others is the other texts.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "bench/domains.h"
#include "core/error.h"
#include "core/files/mapped_file.h"
#include "experiments/forced_text.h"
#include "experiments/interval.h"
#include "experiments/provenance.h"
#include "experiments/replay.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kGuesses = 4;
constexpr int kContinued = 64;                 // tokens after each prompt
constexpr std::array kCuts{0.25, 0.5};         // prompts are what stands before, of each text
constexpr int kJudgings = 16;                  // of a pass by each rule
constexpr Sampler kSampled{.temperature = 1};  // of the target and the drafter
constexpr Sampler kGreedy{.temperature = 0};
const std::string kTexts = "models/recipe/heldout_sample.jsonl";

struct Text {
  std::string domain, text;
  std::vector<TokenId> ids;
};

std::vector<Text> read_held_out(const LoadedTarget& target) {
  std::vector<Text> texts;
  const MappedFile file(fmt::format("{}/{}", SPECDEC_SOURCE_DIR, kTexts));
  std::string_view rest = file.text();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    const auto line = nlohmann::json::parse(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    const auto text = line.at("text").get<std::string>();
    texts.push_back({line.at("domain").get<std::string>(), text, encode_prompt(target, text)});
  }
  return texts;
}

// A file for every text, of all the others.
class Corpora {
 public:
  explicit Corpora(const std::vector<Text>& texts)
      : directory_(std::filesystem::temp_directory_path() / fmt::format("acceptance_bench.{}", getpid())) {
    std::filesystem::create_directory(directory_);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::ofstream file(path(i), std::ios::binary);
      for (std::size_t other = 0; other < texts.size(); ++other) {
        if (other != i) file << texts[other].text;
      }
    }
  }
  ~Corpora() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Corpora(const Corpora&) = delete;
  Corpora& operator=(const Corpora&) = delete;
  std::string path(std::size_t text) const { return (directory_ / fmt::format("{}.txt", text)).string(); }

 private:
  std::filesystem::path directory_;
};

// A drafter's passes over each text, and how many more tokens block verification would have given in them.
struct Passes {
  std::vector<std::vector<StepRecord>> steps;
  std::vector<double> block_gain;
};

double tokens_of(const Replayed& replayed) {
  return std::accumulate(replayed.tokens_by_step.begin(), replayed.tokens_by_step.end(), 0.0);
}

double block_gain_of(const Recording& recording) {
  ReplayOptions options = own_settings(recording);
  options.judgings = kJudgings;
  const double by_token = tokens_of(replay(recording, options));
  options.rule = "block";
  return tokens_of(replay(recording, options)) - by_token;
}

class Bench {
 public:
  explicit Bench(const std::string& target)
      : target_(load_target(target, engine_)), texts_(read_held_out(target_)), corpora_(texts_) {}

  const Engine& engine() const { return engine_; }
  const LoadedTarget& target() const { return target_; }
  const std::vector<Text>& texts() const { return texts_; }
  LoadedDrafter load(const std::string& name) { return load_drafter(name, kGuesses, target_, engine_); }

  std::vector<std::string> domains() const {
    std::vector<std::string> names = domains_of(texts_);
    names.insert(names.begin(), std::string(kAll));
    return names;
  }
  std::vector<std::size_t> texts_of(std::string_view domain) const { return places_of(texts_, domain); }

  std::span<const TokenId> after(std::size_t text, double cut) const {
    const std::span<const TokenId> ids = texts_[text].ids;
    const auto rest = ids.subspan(cut_at(text, cut));
    return rest.first(std::min<std::size_t>(rest.size(), kContinued));
  }

  Passes forced(const LoadedDrafter& drafter) const {
    Passes passes;
    for (std::size_t i = 0; i < texts_.size(); ++i)
      passes.steps.push_back(forced_steps(target_, with_corpus(drafter, i), texts_[i].ids, kGreedy));
    return passes;
  }

  Passes continued(const LoadedDrafter& drafter, const Sampler& sampler) {
    const bool replays = sampler.temperature > 0 && drafter.budget.depth > 0 && drafter.budget.width == 1;
    Passes passes;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      std::vector<StepRecord>& steps = passes.steps.emplace_back();
      double gain = 0;
      for (const double cut : kCuts) {
        Recording recording{.path = "",
                            .sampler = sampler,
                            .seed = i + 1,
                            .rule = "sampled",
                            .target = "",
                            .drafter = "",
                            .eos = {},
                            .vocab = target_.model->info().vocab,
                            .steps = {}};
        TrialOptions options{.sampler = sampler, .seed = i + 1, .max_tokens = kContinued, .eos = {}};
        if (replays) {
          options.on_pass = [&](const DraftTree& tree, const MatView& logits) {
            RecordedStep& step = recording.steps.emplace_back(RecordedStep{tree, {}, {}, {}});
            for (int node = 0; node < tree.size(); ++node) {
              const auto row = row_span(logits, node);
              step.rows.push_back({{}, {row.begin(), row.end()}});
            }
          };
        }
        const auto prompt = std::span(texts_[i].ids).first(cut_at(i, cut));
        const Trial trial = run_trial(target_, with_corpus(drafter, i), prompt, options, engine_);
        steps.insert(steps.end(), trial.steps.begin(), trial.steps.end());
        if (replays) gain += block_gain_of(recording);
      }
      if (replays) passes.block_gain.push_back(gain);
    }
    return passes;
  }

 private:
  std::size_t cut_at(std::size_t text, double cut) const {
    return static_cast<std::size_t>(cut * static_cast<double>(texts_[text].ids.size()));
  }
  LoadedDrafter with_corpus(LoadedDrafter drafter, std::size_t text) const {
    const auto corpus = drafter.spec.options.find("corpus");
    if (corpus != drafter.spec.options.end() && corpus->second == "others") corpus->second = corpora_.path(text);
    return drafter;
  }

  Engine engine_{{}};
  LoadedTarget target_;
  std::vector<Text> texts_;
  Corpora corpora_;
};

Tally tally_of(const Passes& passes, std::span<const std::size_t> texts, const Model& model) {
  std::vector<StepRecord> steps;
  for (const std::size_t i : texts) steps.insert(steps.end(), passes.steps[i].begin(), passes.steps[i].end());
  return tally_of(steps, model.info(), model.bytes());
}

// The sum of value(text) by pass, and 95 % of resampled texts.
std::string per_pass(const Passes& passes, std::span<const std::size_t> texts,
                     const std::function<double(std::size_t)>& value) {
  const Interval interval = bootstrap(texts.size(), [&](auto chosen) {
    double sum = 0, count = 0;
    for (const std::size_t i : chosen) {
      sum += value(texts[i]);
      count += static_cast<double>(passes.steps[texts[i]].size());
    }
    return sum / count;
  });
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", interval.value, interval.low, interval.high);
}

std::string acceptance_cells(const Passes& passes, std::span<const std::size_t> texts, const Model& model) {
  const Tally tally = tally_of(passes, texts, model);
  std::string positions;
  for (const PositionTally& position : tally.positions) positions += fmt::format(" {:.2f}", position.rate());
  const auto tokens = [&](std::size_t text) {
    double sum = 0;
    for (const StepRecord& step : passes.steps[text]) sum += static_cast<double>(step.emitted.size());
    return sum;
  };
  return fmt::format(" {} | {:.2f} |{} |", per_pass(passes, texts, tokens), tally.alpha, positions);
}

std::string block_cell(const Passes& passes, std::span<const std::size_t> texts) {
  if (passes.block_gain.empty()) return " |";
  return fmt::format(" {} |", per_pass(passes, texts, [&](std::size_t text) { return passes.block_gain[text]; }));
}

std::string cost_row(const std::string& name, const Passes& sampled, const Passes& greedy,
                     std::span<const std::size_t> texts, const Model& model) {
  const Tally tally = tally_of(sampled, texts, model);
  const Tally of_greedy = tally_of(greedy, texts, model);
  DraftCost cost;
  for (const auto& steps : sampled.steps) {
    for (const StepRecord& step : steps) {
      cost.passes += step.draft.passes;
      cost.rows += step.draft.rows;
      cost.bytes += step.draft.bytes;
    }
  }
  const auto guesses = static_cast<double>(tally.drafted);
  return fmt::format("| {} | {:.2f} | {:.1f} % | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", name,
                     guesses / static_cast<double>(tally.steps),
                     100 * static_cast<double>(cost.bytes) / guesses / tally.plain_bytes,
                     static_cast<double>(cost.passes) / guesses, static_cast<double>(cost.rows) / guesses,
                     tally.bytes_per_token() / tally.plain_bytes, of_greedy.bytes_per_token() / of_greedy.plain_bytes);
}

// How much of what follows the prompts repeats itself: loops are easy to guess.
void print_texts(Bench& bench) {
  const LoadedDrafter plain = no_drafter();
  const std::array<Passes, 2> written{bench.continued(plain, kSampled), bench.continued(plain, kGreedy)};
  fmt::print(
      "| domain | texts | tokens | repeated 4-grams, in {} tokens of the text | at temperature 1 | greedy |\n"
      "|---|---|---|---|---|---|\n",
      kContinued);
  for (const std::string& domain : bench.domains()) {
    const std::vector<std::size_t> texts = bench.texts_of(domain);
    std::size_t tokens = 0;
    double repeated = 0;
    std::array<double, 2> repeated_of{};
    for (const std::size_t i : texts) {
      tokens += bench.texts()[i].ids.size();
      for (std::size_t cut = 0; cut < kCuts.size(); ++cut) {
        repeated += repeated_ngrams(bench.after(i, kCuts[cut]));
        for (std::size_t which = 0; which < written.size(); ++which) {
          std::vector<TokenId> text;
          for (const StepRecord& step : std::span(written[which].steps[i]).subspan(cut * kContinued, kContinued))
            text.push_back(step.emitted.front());
          repeated_of[which] += repeated_ngrams(text);
        }
      }
    }
    const double prompts = 0.01 * static_cast<double>(texts.size() * kCuts.size());
    fmt::print("| {} | {} | {} | {:.0f} % | {:.0f} % | {:.0f} % |\n", domain, texts.size(), tokens, repeated / prompts,
               repeated_of[0] / prompts, repeated_of[1] / prompts);
  }
}

void measure(const std::string& target_name, const std::vector<std::string>& names) {
  Bench bench(target_name);
  const Model& model = *bench.target().model;
  fmt::print(
      "specdec {}, {} ({}, {}). Of {}: {} texts; prompts are the first {:.0f} and {:.0f} % of each, continued "
      "by {} tokens, seed 1 for the first text, 2 for the second and so on. Rule sampled; {} judgings of each pass at "
      "temperature 1 by it and by block. In brackets what holds 95 % of resampled texts.\n\n",
      version(), target_name, model.info().hash, bench.engine().cpu_level(), kTexts, bench.texts().size(),
      100 * kCuts[0], 100 * kCuts[1], kContinued, kJudgings);
  print_texts(bench);
  std::fflush(stdout);

  const std::vector<std::string> domains = bench.domains();
  std::vector<std::string> rows(domains.size());
  std::string costs;
  for (const std::string& name : names) {
    const LoadedDrafter drafter = bench.load(name);
    const Passes forced = bench.forced(drafter);
    const Passes sampled = bench.continued(drafter, kSampled);
    const Passes greedy = bench.continued(drafter, kGreedy);
    for (std::size_t d = 0; d < domains.size(); ++d) {
      const std::vector<std::size_t> texts = bench.texts_of(domains[d]);
      rows[d] += fmt::format("| `{}` |{}{}{}{}\n", name, acceptance_cells(forced, texts, model),
                             acceptance_cells(sampled, texts, model), block_cell(sampled, texts),
                             acceptance_cells(greedy, texts, model));
    }
    costs += cost_row(fmt::format("`{}`", name), sampled, greedy, bench.texts_of(kAll), model);
  }
  for (std::size_t d = 0; d < domains.size(); ++d) {
    fmt::print(
        "\n### {}\n\n"
        "| drafter | held-out text: tokens per pass | alpha | by position "
        "| temperature 1: tokens per pass | alpha | by position | block verification adds, tokens per pass "
        "| greedy: tokens per pass | alpha | by position |\n|---|---|---|---|---|---|---|---|---|---|---|\n{}",
        domains[d], rows[d]);
  }
  fmt::print(
      "\n### cost\n\n"
      "| drafter | guesses per pass | a guess: bytes, of a plain pass | passes | rows | bytes per token, in those of "
      "plain decoding | greedy |\n|---|---|---|---|---|---|---|\n{}",
      costs);
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const std::string target = words.empty() ? "demo-moe" : words.front();
  if (words.size() < 2) {
    words = {target,
             "mtp",
             "eagle:demo-eagle3",
             "small:demo-draft",
             "small:demo-draft-spm,bridge=tli",
             "small:demo-draft-spm,bridge=slrs",
             "small:demo-draft-spm,bridge=slem",
             "self:experts=1",
             "self:skip=5+7",
             "ngram",
             "suffix",
             "suffix,corpus=others",
             "mtp,tree=2x2x1x1",
             "eagle:demo-eagle3,tree=2x2x1x1",
             "small:demo-draft,tree=2x2x1x1",
             "oracle",
             "wrong"};
  }
  try {
    specdec::measure(target, {words.begin() + 1, words.end()});
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
