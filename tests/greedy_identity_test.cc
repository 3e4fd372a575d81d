// Greedy text of the shipped model is the same bit for bit with every drafter, every K and one or two threads, on 50
// prompts; and it does not matter in which steps a prompt is read.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "core/batch.h"
#include "core/files/hf_cache.h"
#include "experiments/prompt_file.h"
#include "experiments/trial.h"
#include "verify/rule.h"

namespace specdec {
namespace {

constexpr int kTokens = 128;

// Every combination meets several prompts, and every prompt some of them. All with all: DISABLED_Every…
constexpr std::size_t kPerPrompt = 4;

std::vector<NamedPrompt> prompts() { return read_prompts("losslessness"); }

bool is_shipped(std::string_view name) {
  for (const LocalModel& model : shipped_models()) {
    if (model.id == name) return true;
  }
  return false;
}

// The shipped model and all that may draft for it, with so many threads.
class Decoder {
 public:
  explicit Decoder(int threads) : engine_({.threads = threads}), target_(load_target("demo-moe", engine_)) {}

  const LoadedTarget& target() const { return target_; }

  std::vector<TokenId> text_after(const NamedPrompt& prompt, const std::string& drafter, int tokens = kTokens,
                                  const std::string& rule = "sampled") {
    if (!drafters_.contains(drafter)) drafters_.emplace(drafter, load_drafter(drafter, {}, target_, engine_));
    TrialOptions options;
    options.max_tokens = tokens;
    options.rule = rule;
    return run_trial(target_, drafters_.at(drafter), encode_prompt(target_, prompt.text), options, engine_).generated;
  }

 private:
  Engine engine_;
  LoadedTarget target_;
  std::map<std::string, LoadedDrafter> drafters_;
};

// On one thread, and on two.
class Decoders {
 public:
  Decoder& on(int threads) { return threads == 1 ? one_ : two_; }

 private:
  Decoder one_{1}, two_{2};
};

struct Combination {
  std::string drafter;
  int threads;
};

std::vector<Combination> combinations() {
  std::vector<Combination> all{{"none", 2}};
  for (int k = 1; k <= 8; ++k) {
    for (const int threads : {1, 2}) {
      all.push_back({fmt::format("mtp,k={}", k), threads});
      if (is_shipped("demo-eagle3")) all.push_back({fmt::format("eagle:demo-eagle3,k={}", k), threads});
      if (is_shipped("demo-draft")) all.push_back({fmt::format("small:demo-draft,k={}", k), threads});
    }
  }
  return all;
}

// Each prompt meets one of these, and together they meet all.
std::vector<Combination> in_turn() {
  std::vector<Combination> all;
  for (const char* drafter :
       {"self,k=4", "self,experts=1,k=4", "self,experts=0,k=2", "self,skip=3..8+10,k=3", "ngram,k=6",
        "ngram,k=4,width=3", "suffix,k=6", "suffix,k=4,width=3", "oracle,right=0.6", "wrong"}) {
    all.push_back({drafter, 2});
  }
  if (!is_shipped("demo-draft-spm")) return all;
  for (const char* bridge : {"tli", "slrs", "slem"}) {
    for (const int k : {1, 2, 4, 8}) {
      for (const int threads : {1, 2}) {
        all.push_back({fmt::format("small:demo-draft-spm,bridge={},k={}", bridge, k), threads});
      }
    }
  }
  return all;
}

class GreedyIdentity : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_shipped("demo-moe")) GTEST_SKIP() << "models/demo-moe is not here";
  }
};

TEST_F(GreedyIdentity, TextIsThatOfPlainDecoding) {
  const std::vector<Combination> all = combinations();
  Decoders decoders;
  const std::vector<Combination> others = in_turn();
  std::size_t next = 0, turn = 0;
  for (const NamedPrompt& prompt : prompts()) {
    const std::vector<TokenId> plain = decoders.on(1).text_after(prompt, "none");
    EXPECT_EQ(plain.size(), static_cast<std::size_t>(kTokens)) << prompt.id;
    for (std::size_t i = 0; i < std::min(all.size(), kPerPrompt); ++i, ++next) {
      const Combination& combination = all[next % all.size()];
      EXPECT_EQ(decoders.on(combination.threads).text_after(prompt, combination.drafter), plain)
          << prompt.id << " with " << combination.drafter << " on " << combination.threads << " threads";
    }
    const Combination& other = others[turn++ % others.size()];
    EXPECT_EQ(decoders.on(other.threads).text_after(prompt, other.drafter), plain)
        << prompt.id << " with " << other.drafter << " on " << other.threads << " threads";
  }
  EXPECT_GE(next, all.size());
}

struct LongRun {
  std::string drafter;
  std::string rule;
};

// Every drafter that serves the shipped model, chains and trees.
std::vector<std::string> all_drafters() {
  std::vector<std::string> all;
  for (const char* kind : {"mtp", "eagle:demo-eagle3", "small:demo-draft", "small:demo-draft-spm,bridge=tli", "ngram",
                           "suffix", "self,experts=1", "self,skip=3..5", "oracle,right=0.7", "wrong"}) {
    for (const int k : {1, 2, 4, 8}) {
      all.push_back(fmt::format("{},k={}", kind, k));
      if (k > 1 && k < 8) all.push_back(fmt::format("{},k={},width=2", kind, k));
    }
    all.push_back(fmt::format("{},tree=3x2x1", kind));
  }
  for (const char* bridge : {"slem", "slrs"}) all.push_back(fmt::format("small:demo-draft-spm,bridge={},k=4", bridge));
  for (const char* policy : {"confidence", "entropy", "ema", "utility", "expert-aware"})
    all.push_back(fmt::format("mtp,k=8,policy={}", policy));
  return all;
}

void expect_plain_text(Decoders& decoders, const std::vector<LongRun>& runs, const NamedPrompt& prompt, int tokens) {
  const std::vector<TokenId> plain = decoders.on(1).text_after(prompt, "none", tokens);
  for (const LongRun& run : runs) {
    for (const int threads : {1, 2}) {
      EXPECT_EQ(decoders.on(threads).text_after(prompt, run.drafter, tokens, run.rule), plain)
          << prompt.id << " with " << run.drafter << " by rule " << run.rule << " on " << threads << " threads";
    }
  }
}

// `./dev test --long`: hours, of one core. Every drafter, K, tree and number of threads on 100 prompts; every other
// lossless rule on 10.
constexpr int kLongPrompts = 100;

class LongGreedyIdentity : public GreedyIdentity, public testing::WithParamInterface<int> {};

TEST_P(LongGreedyIdentity, DISABLED_EveryDrafter) {
  std::vector<LongRun> runs;
  for (const std::string& drafter : all_drafters()) runs.push_back({drafter, "sampled"});
  Decoders decoders;
  expect_plain_text(decoders, runs, built_in_prompts().at(static_cast<std::size_t>(GetParam())), 256);
}

INSTANTIATE_TEST_SUITE_P(Prompts, LongGreedyIdentity, testing::Range(0, kLongPrompts));

std::vector<LongRun> runs_of_other_rules() {
  std::vector<LongRun> runs;
  for (const RuleKind& kind : rule_kinds()) {
    const Rule rule = make_rule(kind.name);
    if (!rule.lossless || rule.name == "sampled") continue;
    for (const std::string& drafter : all_drafters()) {
      const bool grows_trees = drafter.find("width") != drafter.npos || drafter.find("tree") != drafter.npos;
      if (!(rule.chains_only && grows_trees)) runs.push_back({drafter, rule.name});
    }
  }
  return runs;
}

class LongRulesIdentity : public GreedyIdentity, public testing::WithParamInterface<int> {};

TEST_P(LongRulesIdentity, DISABLED_EveryRule) {
  Decoders decoders;
  const NamedPrompt prompt = built_in_prompts().at(static_cast<std::size_t>(GetParam()));
  expect_plain_text(decoders, runs_of_other_rules(), prompt, 64);
}

INSTANTIATE_TEST_SUITE_P(Prompts, LongRulesIdentity, testing::Range(0, kLongPrompts, 10));

// Of those, each prompt meets some.
TEST_F(GreedyIdentity, OtherRulesAndTreesInTurn) {
  std::vector<LongRun> runs = runs_of_other_rules();
  for (const std::string& drafter : all_drafters()) runs.push_back({drafter, "sampled"});
  Decoders decoders;
  std::size_t next = 0;
  for (const NamedPrompt& prompt : built_in_prompts()) {
    std::vector<LongRun> some;
    for (std::size_t i = 0; i < kPerPrompt; ++i) some.push_back(runs[next++ * 7 % runs.size()]);
    expect_plain_text(decoders, some, prompt, 32);
  }
}

std::vector<float> logits_after(const Model& model, std::span<const TokenId> tokens, std::size_t step) {
  const auto state = model.new_state(static_cast<int>(tokens.size()));
  auto rest = tokens.first(tokens.size() - 1);
  Taps silent;
  silent.logits = false;
  while (!rest.empty()) {
    const auto part = rest.first(std::min(step, rest.size()));
    model.forward(chain_of(part), *state, silent);
    state->commit(whole_chain(static_cast<int>(part.size())));
    rest = rest.subspan(part.size());
  }
  const Output out = model.forward(chain_of(tokens.last(1)), *state, {});
  return {out.logits.data(), out.logits.data() + out.logits.size()};
}

TEST_F(GreedyIdentity, AnyPrefillStepLeavesTheSameState) {
  std::string text;
  for (const NamedPrompt& prompt : prompts()) text += prompt.text;
  const Decoder one(1);
  std::vector<TokenId> tokens = encode_prompt(one.target(), text);
  ASSERT_GT(tokens.size(), 400u);
  tokens.resize(400);
  const std::vector<float> expected = logits_after(*one.target().model, tokens, 1);
  for (const int threads : {1, 2}) {
    const Decoder decoder(threads);
    for (const std::size_t step : {2, 3, 7, 16, 33, 128, 400}) {
      const std::vector<float> logits = logits_after(*decoder.target().model, tokens, step);
      ASSERT_EQ(logits.size(), expected.size());
      EXPECT_EQ(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << "step " << step << ", " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace specdec
