// Speculation changes nothing but the speed, for every kind of drafter: at temperature 0 the same tokens as no drafter,
// at temperature 1 the same law, by chi-square against the exact law. Planted mistakes fail the same test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/kinds.h"
#include "draft/drafter.h"
#include "tests/laws/drafter_bench.h"
#include "tests/laws/exact_law.h"
#include "tests/toy_model.h"
#include "verify/session.h"

namespace specdec {
namespace {

TEST(Lossless, GreedyTextIsThatOfNoDrafter) {
  const DrafterBench bench(64);
  const auto plain = generate(bench.target, *bench.drafter("none", {}), sampled(), {}, {}, 200, Rng(1));
  ASSERT_EQ(plain.size(), 200U);
  for (const DrafterKind& kind : drafter_kinds()) {
    for (const int width : {1, 2, 3}) {
      for (int depth = 0; depth <= 8; ++depth) {
        const Budget budget{.depth = depth, .width = width};
        const auto drafter = bench.drafter(kind.name, {});
        EXPECT_EQ(generate(bench.target, *drafter, sampled(), {}, budget, 200, Rng(1)), plain)
            << kind.name << ", depth " << depth << ", width " << width;
      }
    }
  }
}

// A drafter that samples may guess for a greedy target, and a greedy drafter for a target that samples.
TEST(Lossless, GreedyTextDoesNotDependOnTheDraftersTemperature) {
  const DrafterBench bench(64);
  const auto plain = generate(bench.target, *bench.drafter("none", {}), sampled(), {}, {}, 100, Rng(1));
  for (const DrafterKind& kind : drafter_kinds()) {
    const auto drafter = bench.drafter(kind.name, {.temperature = 1});
    EXPECT_EQ(generate(bench.target, *drafter, sampled(), {}, {.depth = 4, .width = 2}, 100, Rng(1)), plain)
        << kind.name;
  }
}

// Draws by position make the text of sample and match that of plain decoding at any temperature.
TEST(Lossless, MatchedTextIsThatOfNoDrafterAtAnyTemperature) {
  const DrafterBench bench(64);
  const Rule matched = make_rule("matched");
  for (const Sampler& sampler : {Sampler{.temperature = 1}, Sampler{.temperature = 0.7, .top_p = 0.9}}) {
    const auto plain = generate(bench.target, *bench.drafter("none", {}), sampled(), sampler, {}, 200, Rng(1));
    for (const DrafterKind& kind : drafter_kinds()) {
      const auto drafter = bench.drafter(kind.name, sampler);
      EXPECT_EQ(generate(bench.target, *drafter, matched, sampler, {.depth = 4, .width = 2}, 200, Rng(1)), plain)
          << kind.name;
    }
  }
}

const Sampler kSamplers[] = {{.temperature = 1}, {.temperature = 0.7, .top_p = 0.9}};
const Budget kBudgets[] = {{.depth = 3}, {.depth = 2, .width = 2}, {.depth = 2, .width = 3, .rows = 9}};

TEST(Lossless, SampledTextKeepsTheExactLaw) {
  const DrafterBench bench(kVocab);
  for (const DrafterKind& kind : drafter_kinds()) {
    for (const Sampler& sampler : kSamplers) {
      for (const Budget& budget : kBudgets) {
        const MakeDrafter make = [&] { return bench.drafter(kind.name, sampler); };
        EXPECT_LT(deviation_of(bench.target, make, sampled(), sampler, budget), kSuspicious)
            << kind.name << ", depth " << budget.depth << ", width " << budget.width << ", top-p " << sampler.top_p;
        if (kind.name == "none") break;  // it has no shape
      }
    }
  }
}

TEST(Lossless, EveryLosslessRuleKeepsTheExactLawOverSeveralSteps) {
  const DrafterBench bench(kVocab);
  const Sampler sampler{.temperature = 1};
  const MakeDrafter make = [&] { return bench.drafter("small", sampler); };
  for (const RuleKind& kind : rule_kinds()) {
    const Rule rule = make_rule(kind.name);
    if (!rule.lossless) continue;
    for (const Budget& budget : {Budget{.depth = 3}, Budget{.depth = 2, .width = 2}}) {
      if (rule.chains_only && budget.width > 1) continue;
      EXPECT_LT(deviation_of(bench.target, make, rule, sampler, budget), kSuspicious)
          << rule.name << ", depth " << budget.depth << ", width " << budget.width;
    }
  }
}

TEST(Lossless, AGreedyDrafterKeepsTheLawOfASampledText) {
  const DrafterBench bench(kVocab);
  for (const DrafterKind& kind : drafter_kinds()) {
    const MakeDrafter make = [&] { return bench.drafter(kind.name, {}); };
    EXPECT_LT(deviation_of(bench.target, make, sampled(), {.temperature = 1}, {.depth = 3, .width = 2}), kSuspicious)
        << kind.name;
  }
}

// Drafters around another one, to plant a mistake.
class Around : public Drafter {
 public:
  explicit Around(std::unique_ptr<Drafter> inner) : inner_(std::move(inner)) {}
  Taps needs() const override { return inner_->needs(); }
  void observe(const Final& seen) override { inner_->observe(seen); }
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override { inner_->propose(tree, budget, rng); }

 protected:
  std::unique_ptr<Drafter> inner_;
};

// Says that its guesses were drawn from a flatter law than they were.
class WrongQ : public Around {
 public:
  using Around::Around;
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override {
    DraftTree right(tree[0].token, tree.position(0));
    inner_->propose(right, budget, rng);
    for (int node = 1; node < right.size(); ++node) {
      std::vector<float> weights;
      for (int i = 0; i < kVocab; ++i) weights.push_back(std::sqrt(static_cast<float>((*right[node].q)[TokenId{i}])));
      tree.add(right[node].parent, right[node].token, Distribution(weights));
    }
  }
};

// The judge decides by the number that drew the guess.
class SharedNumbers : public Around {
 public:
  using Around::Around;
  static inline Rng drafters{0};
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) override {
    drafters = rng;
    inner_->propose(tree, budget, rng);
  }
};

class SharedDice : public RngDice {
 public:
  SharedDice() : RngDice(SharedNumbers::drafters, 0) {}
  bool accept(const double& chance, int position, int) override {
    return SharedNumbers::drafters.fork(static_cast<std::uint64_t>(position)).fork(0).uniform(0) < chance;
  }
};

Verdict judge_with_shared_numbers(const DraftTree& tree, const Laws& laws, Dice&) {
  SharedDice dice;
  return sampled().judge(tree, laws, dice);
}

Verdict judge_without_residual(const DraftTree& tree, const Laws& laws, Dice& dice) {
  const Verdict verdict = sampled().judge(tree, laws, dice);
  const int last = verdict.path.back();
  return {verdict.path, dice.draw(laws(last), tree.position(last) + 1)};
}

template <typename Wrapper>
double deviation_around(const Judge& judge) {
  const DrafterBench bench(kVocab);
  const Sampler sampler{.temperature = 1};
  const MakeDrafter make = [&] { return std::make_unique<Wrapper>(bench.drafter("small", sampler)); };
  return deviation_of(bench.target, make, {.name = "planted", .judge = judge}, sampler, {.depth = 3});
}

TEST(Lossless, TheRightRuleAroundTheSameDrafterPasses) {
  EXPECT_LT(deviation_around<Around>(sampled().judge), kSuspicious);
}
// Block verification learns from guesses that it leaves out: if the next step drew them again from the same numbers,
// the text would be biased.
class SameNumbersInEveryStep : public Around {
 public:
  using Around::Around;
  void propose(DraftTree& tree, const Budget& budget, const Rng&) override { inner_->propose(tree, budget, numbers_); }

 private:
  static inline std::uint64_t made_ = 0;
  Rng numbers_{made_++};
};

TEST(Lossless, GuessesFromTheNumbersOfTheStepBeforeFailUnderBlockVerification) {
  const Rule block = make_rule("block");
  EXPECT_LT(deviation_around<Around>(block.judge), kSuspicious);
  EXPECT_GT(deviation_around<SameNumbersInEveryStep>(block.judge), 2 * kSuspicious);
}

// Keeps what was guessed as if it had been said.
class StaleState : public ToyState<TokenId> {
 public:
  using ToyState::ToyState;
  void commit(std::span<const int>) override {
    std::vector<int> all(static_cast<std::size_t>(pending()));
    std::iota(all.begin(), all.end(), 0);
    ToyState::commit(all);
  }
};

class StaleModel : public ToyModel {
 public:
  using ToyModel::ToyModel;
  std::unique_ptr<State> new_state(int capacity) const override { return std::make_unique<StaleState>(capacity); }
};

// Lossless all the same, as every drafter is; what suffers is acceptance, and that is where it is seen.
TEST(Lossless, AStaleDraftCacheShowsInWhatIsAccepted) {
  const DrafterBench bench(64);
  const ToyOptions options{.vocab = 64, .noise = 0.3};
  const auto steps_with = [&](std::shared_ptr<const Model> draft, std::vector<TokenId>& text) {
    DrafterContext context{.target = bench.target};
    context.draft = std::move(draft);
    context.capacity = 2000;
    const auto drafter = make_drafter({"small", "", {}}, std::move(context));
    Session session(bench.target, *drafter, sampled(), {},
                    {.budget = {.depth = 4}, .max_tokens = 200, .capacity = kCapacity}, Rng(1));
    session.prefill(kPrompt);
    int steps = 0;
    for (; !session.done(); ++steps) session.step();
    text.assign(session.generated().begin(), session.generated().end());
    return steps;
  };
  std::vector<TokenId> right, stale;
  const int steps = steps_with(std::make_shared<ToyModel>(options), right);
  EXPECT_GT(steps_with(std::make_shared<StaleModel>(options), stale), steps + steps / 4);
  EXPECT_EQ(stale, right);
}

TEST(Lossless, NoResidualFails) { EXPECT_GT(deviation_around<Around>(judge_without_residual), 2 * kSuspicious); }
TEST(Lossless, SharedRandomNumbersFail) {
  EXPECT_GT(deviation_around<SharedNumbers>(judge_with_shared_numbers), 2 * kSuspicious);
}
TEST(Lossless, AnotherQThanTheOneDrawnFromFails) {
  EXPECT_GT(deviation_around<WrongQ>(sampled().judge), 2 * kSuspicious);
}

}  // namespace
}  // namespace specdec
