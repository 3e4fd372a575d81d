// What a step costs besides passes: judging, keeping and telling. On demo-moe as a share of the step, and for a
// vocabulary of 150,000 in microseconds. Markdown.
//   overhead_bench [TARGET [DRAFTER]]     else demo-moe with mtp
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "experiments/median.h"
#include "experiments/prompt_file.h"
#include "experiments/trial.h"
#include "verify/judging.h"

namespace specdec {
namespace {

constexpr int kGuesses = 4;

struct Setting {
  std::string name;
  Sampler sampler;
};
const Setting kSettings[]{{"greedy", {}},
                          {"temperature 1", {.temperature = 1}},
                          {"temperature 1, top-p 0.95", {.temperature = 1, .top_p = 0.95}}};

void measure_model(const std::string& target_name, const std::string& draft) {
  Engine engine({});
  const LoadedTarget target = load_target(target_name, engine);
  const LoadedDrafter drafter = load_drafter(draft, kGuesses, target, engine);
  fmt::print("| {} with {}, {} guesses | judge | keep | tell | all three, of the step |\n|---|---|---|---|---|\n",
             target_name, draft, kGuesses);
  for (const Setting& setting : kSettings) {
    std::vector<double> judge, keep, tell, share;
    for (const NamedPrompt& prompt : built_in_prompts()) {
      const TrialOptions options{.sampler = setting.sampler, .max_tokens = 64};
      for (const StepRecord& step :
           run_trial(target, drafter, encode_prompt(target, prompt.text), options, engine).steps) {
        const StepTimes& times = step.times;
        judge.push_back(1e6 * times.judge_s);
        keep.push_back(1e6 * times.keep_s);
        tell.push_back(1e6 * times.tell_s);
        share.push_back(100 * (times.judge_s + times.keep_s + times.tell_s) / times.total_s());
      }
    }
    fmt::print("| {} | {:.1f} µs | {:.1f} µs | {:.1f} µs | {:.2f} % |\n", setting.name, median(judge), median(keep),
               median(tell), median(share));
  }
}

// Logits like those of a language model: a few tokens stand out. noise: of the drafter.
std::vector<float> logits_of(int vocab, std::uint64_t row, float noise) {
  std::vector<float> logits(static_cast<std::size_t>(vocab));
  const Rng rng = Rng(1).fork(row), disturbed = Rng(2).fork(row);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto u = static_cast<float>(rng.uniform(i));
    logits[i] = -1.5F * std::log(u + 1e-9F) * 1.2F + noise * static_cast<float>(disturbed.uniform(i));
  }
  return logits;
}

void measure_vocabulary(int vocab) {
  Engine engine({});
  constexpr int kSteps = 200;
  fmt::print("\n| {} tokens, {} guesses: judge of a step, median | sampled | block |\n|---|---|---|\n", vocab,
             kGuesses);
  std::vector<std::vector<float>> target, draft;
  for (std::uint64_t row = 0; row <= kGuesses; ++row) {
    target.push_back(logits_of(vocab, row, 0));
    draft.push_back(logits_of(vocab, row, 0.4F));
  }
  for (const Setting& setting : kSettings) {
    std::string line = fmt::format("| {} |", setting.name);
    for (const char* name : {"sampled", "block"}) {
      const Rule rule = make_rule(name);
      std::vector<double> microseconds;
      for (int step = 0; step < kSteps; ++step) {
        DraftTree tree(TokenId{0}, step);
        for (int node = 0; node < kGuesses; ++node) {
          Distribution q = setting.sampler.distribution(draft[static_cast<std::size_t>(node)]);
          const TokenId token =
              q.sample(Rng(3).fork(static_cast<std::uint64_t>(step)).uniform(static_cast<std::uint64_t>(node)));
          tree.add(node, token, q.certain() ? std::nullopt : std::optional(std::move(q)));
        }
        const Judging judging(rule, setting.sampler, Rng(4));
        engine.pool().for_each(1 << 12, [](std::int64_t) {});  // the end of a pass: all threads are awake
        const auto begin = std::chrono::steady_clock::now();
        const auto law_after = [&](int node) {
          return judging.sampler().distribution(target[static_cast<std::size_t>(node)]);
        };
        LazyLaws laws(tree.size(), law_after, vocab, &engine.pool());
        judging(tree, std::ref(laws));
        microseconds.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      }
      line += fmt::format(" {:.0f} µs |", median(microseconds));
    }
    fmt::print("{}\n", line);
  }
}

}  // namespace
}  // namespace specdec

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  specdec::keep_freed_memory();
  try {
    specdec::measure_model(words.empty() ? "demo-moe" : words[0], words.size() > 1 ? words[1] : "mtp");
    specdec::measure_vocabulary(150000);
  } catch (const specdec::Error& error) {
    fmt::print(stderr, "overhead_bench: {}\n", error.what());
    return 1;
  }
}
