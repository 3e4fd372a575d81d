// Draft policies against the best fixed length, by domain: bytes of weights read per token, in those of plain decoding,
// and tokens per pass; then the same for bytes of experts that are loaded where memory holds a quarter of them.
// Counted, not timed. Prompts of experiments/prompts, or another such file. Markdown; docs/policies.md is its output.
//   policy_bench [PROMPTS.jsonl] [TARGET [DRAFTER [POLICY...]]]     else demo-moe, mtp and all policies
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/domains.h"
#include "core/error.h"
#include "experiments/interval.h"
#include "experiments/prompt_file.h"
#include "experiments/trial.h"
#include "verify/tally.h"

namespace specdec {
namespace {

constexpr int kMostGuesses = 8;
constexpr int kTokens = 96;
constexpr std::size_t kEvery = 5;  // prompts, of which one is taken where experts are loaded: disks are slow

struct Setting {
  double temperature;
  std::string expert_cache;  // empty: all are in memory, and bytes read are counted; else bytes loaded
  bool loads() const { return !expert_cache.empty(); }
};

// What one text took.
struct Taken {
  double tokens = 0, passes = 0, bytes = 0, plain_bytes = 0;
  Taken& operator+=(const Taken& other) {
    tokens += other.tokens;
    passes += other.passes;
    bytes += other.bytes;
    plain_bytes += other.plain_bytes;
    return *this;
  }
  double cost() const { return bytes / plain_bytes; }  // of a token, in those of plain decoding
};

struct Row {
  std::string name;
  std::vector<Taken> texts;
};

Taken taken_of(std::span<const StepRecord> steps, const Model& model) {
  const Tally tally = tally_of(steps, model.info(), model.bytes());
  const auto tokens = static_cast<double>(tally.tokens);
  return {tokens, static_cast<double>(tally.steps), static_cast<double>(tally.bytes.total()),
          tokens * tally.plain_bytes};
}

// If every draft had ended with the last guess that was accepted: of the target, what the rows that stayed needed; of
// the drafter, its share of the passes.
Taken in_hindsight(std::span<const StepRecord> steps, const Model& model) {
  Taken all;
  for (const StepRecord& step : steps) {
    Taken one = taken_of(std::span(&step, 1), model);
    const Tally tally = tally_of(std::span(&step, 1), model.info(), model.bytes());
    const double drafted = step.drafted() > 0 ? static_cast<double>(step.accepted()) / step.drafted() : 0;
    one.bytes = static_cast<double>(tally.bytes.accepted) + drafted * static_cast<double>(tally.bytes.draft);
    all += one;
  }
  return all;
}

std::vector<NamedPrompt> prompts_for(const Setting& setting, const std::string& file) {
  const auto all = read_prompts(file);
  std::vector<NamedPrompt> prompts;
  for (std::size_t i = 0; i < all.size(); i += setting.loads() ? kEvery : 1) prompts.push_back(all[i]);
  return prompts;
}

class Bench {
 public:
  Bench(const std::string& prompts, const std::string& target, std::string drafter, const Setting& setting)
      : engine_({.expert_cache = setting.loads() ? setting.expert_cache : "auto"}),
        target_(load_target(target, engine_)),
        drafter_(std::move(drafter)),
        prompts_(prompts_for(setting, prompts)),
        setting_(setting) {
    for (std::size_t i = 0; i < prompts_.size() && setting_.loads(); ++i) {
      const Trial plain = trial_of(no_drafter(), i);
      plain_loads_.push_back(static_cast<double>(plain.experts.loaded_bytes) /
                             static_cast<double>(plain.generated.size()));
    }
  }

  std::vector<std::string> domains() const {
    std::vector<std::string> names = domains_of(prompts_);
    names.emplace_back(kAll);
    return names;
  }
  std::vector<std::size_t> texts_of(std::string_view domain) const { return places_of(prompts_, domain); }

  Row run(const std::string& name, const std::string& options, bool hindsight = false) {
    const LoadedDrafter drafter = load_drafter(drafter_ + options, {}, target_, engine_);
    Row row{name, {}};
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      const Trial done = trial_of(drafter, i);
      Taken taken = hindsight ? in_hindsight(done.steps, *target_.model) : taken_of(done.steps, *target_.model);
      if (setting_.loads()) {
        taken.bytes = static_cast<double>(done.experts.loaded_bytes);
        taken.plain_bytes = taken.tokens * plain_loads_[i];
      }
      row.texts.push_back(taken);
    }
    return row;
  }

 private:
  Trial trial_of(const LoadedDrafter& drafter, std::size_t i) {
    const TrialOptions options{
        .sampler = {.temperature = setting_.temperature}, .seed = i + 1, .max_tokens = kTokens, .eos = {}};
    return run_trial(target_, drafter, encode_prompt(target_, prompts_[i].text), options, engine_);
  }

  Engine engine_;
  LoadedTarget target_;
  std::string drafter_;
  std::vector<NamedPrompt> prompts_;
  Setting setting_;
  std::vector<double> plain_loads_;  // bytes per token of each prompt
};

Taken sum_of(const Row& row, std::span<const std::size_t> texts) {
  Taken sum;
  for (const std::size_t i : texts) sum += row.texts[i];
  return sum;
}

void print_row(const std::string& name, const std::vector<Taken>& cells, std::span<const std::string> remarks = {}) {
  fmt::print("| {} |", name);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    fmt::print(" {:.3f}, {:.2f}{} |", cells[i].cost(), cells[i].tokens / cells[i].passes,
               remarks.empty() ? "" : remarks[i]);
  }
  fmt::print("\n");
}

void measure(const std::string& prompts, const std::string& target, const std::string& drafter,
             const std::vector<std::string>& policies, const Setting& setting) {
  Bench bench(prompts, target, drafter, setting);
  const std::vector<std::string> domains = bench.domains();
  std::vector<std::vector<std::size_t>> texts;
  for (const std::string& domain : domains) texts.push_back(bench.texts_of(domain));

  fmt::print(
      "\n{} with {}, temperature {}, {} tokens after each prompt{}: bytes {} per token in those of plain decoding, "
      "tokens per pass\n\n| policy |",
      target, drafter, setting.temperature, kTokens,
      setting.loads() ? fmt::format(", {} of the experts in memory", setting.expert_cache) : "",
      setting.loads() ? "loaded" : "read");
  for (std::size_t i = 0; i < domains.size(); ++i) fmt::print(" {} ({}) |", domains[i], texts[i].size());
  fmt::print("\n|---|");
  for (std::size_t i = 0; i < domains.size(); ++i) fmt::print("---|");
  fmt::print("\n");

  const auto cells_of = [&](const Row& row) {
    std::vector<Taken> cells;
    for (const auto& of_domain : texts) cells.push_back(sum_of(row, of_domain));
    return cells;
  };
  std::vector<Row> fixed;
  for (int k = 1; k <= kMostGuesses; ++k)
    fixed.push_back(bench.run(fmt::format("fixed, k = {}", k), fmt::format(",k={}", k)));
  std::vector<Row> best_of;  // by domain
  std::vector<Taken> best;
  std::vector<std::string> which;
  for (const auto& of_domain : texts) {
    const auto least =
        std::ranges::min_element(fixed, {}, [&](const Row& row) { return sum_of(row, of_domain).cost(); });
    best_of.push_back(*least);
    best.push_back(sum_of(*least, of_domain));
    which.push_back(fmt::format(" (k = {})", least - fixed.begin() + 1));
  }
  print_row(fixed[2].name, cells_of(fixed[2]));
  print_row(fixed.back().name, cells_of(fixed.back()));
  print_row("best fixed k of the domain", best, which);
  Row last;
  for (const std::string& policy : policies) {
    last = bench.run(policy, fmt::format(",k={},policy={}", kMostGuesses, policy));
    print_row(policy, cells_of(last));
  }
  if (!setting.loads()) {
    print_row(fmt::format("oracle: k = {}, cut in hindsight", kMostGuesses),
              cells_of(bench.run("oracle", fmt::format(",k={}", kMostGuesses), true)));
  }

  fmt::print("\nBytes per token of {} over those of the best fixed k of the domain, and of 95 % of resampled texts: ",
             last.name);
  for (std::size_t d = 0; d < domains.size(); ++d) {
    const Interval ratio = bootstrap(texts[d].size(), [&](auto chosen) {
      std::vector<std::size_t> resampled;
      for (const std::size_t i : chosen) resampled.push_back(texts[d][i]);
      return sum_of(last, resampled).cost() / sum_of(best_of[d], resampled).cost();
    });
    fmt::print("{}{} {:.3f} ({:.3f} to {:.3f})", d == 0 ? "" : ", ", domains[d], ratio.value, ratio.low, ratio.high);
  }
  fmt::print(".\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string prompts = SPECDEC_SOURCE_DIR "/experiments/prompts/losslessness.jsonl";
  if (!words.empty() && words.front().ends_with(".jsonl")) {
    prompts = words.front();
    words.erase(words.begin());
  }
  const std::string target = words.empty() ? "demo-moe" : words.front();
  const std::string drafter = words.size() < 2 ? "mtp" : words[1];
  std::vector<std::string> policies{"confidence",  "entropy", "ema", "utility", "expert-aware,experts=even",
                                    "expert-aware"};
  if (words.size() > 2) policies.assign(words.begin() + 2, words.end());
  try {
    for (const specdec::Setting& setting : {specdec::Setting{0, ""}, {1, ""}, {0, "25%"}}) {
      specdec::measure(prompts, target, drafter, policies, setting);
    }
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
