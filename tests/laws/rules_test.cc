// Every rule that claims to be lossless leaves the target's law exactly as it is: all draws of the drafter and all
// decisions of the judge that ships are enumerated in rational numbers. Planted wrong rules fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/kinds.h"
#include "verify/enumerate.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

constexpr int kVocab = 3;

std::vector<Rule> lossless_rules() {
  std::vector<Rule> rules;
  for (const RuleKind& kind : rule_kinds()) {
    Rule rule = make_rule(kind.name);
    if (rule.lossless) rules.push_back(std::move(rule));
  }
  return rules;
}

ExactModel always(std::vector<int> weights) {
  return [=](const ExactText&) { return ExactLaw(std::vector<Rational>(weights.begin(), weights.end())); };
}
ExactModel random_model(std::uint64_t seed) { return random_exact_model(Rng(seed), kVocab); }
ExactModel one_hot(std::uint64_t seed) {
  return
      [model = random_model(seed)](const ExactText& text) { return ExactLaw::point(model(text).likeliest(), kVocab); };
}

TEST(Rules, LosslessOnesKeepTheLawOfAThousandRandomTargetsExactly) {
  for (const Rule& rule : lossless_rules()) {
    ASSERT_NE(rule.exact_judge, nullptr) << rule.name;
    const ExactCheck check = check_exactly(rule, 1000, Rng(1));
    EXPECT_EQ(check.models, 1000);
    EXPECT_TRUE(check.holds()) << rule.name << ": " << check.wrong << " wrong, the first: " << check.first_wrong
                               << ", total variation up to " << check.largest_distance;
  }
}

struct Case {
  std::string name;
  ExactModel target, drafter;
};

TEST(Rules, LosslessOnesKeepTheLawOfExtremeTargetsExactly) {
  const std::vector<Case> cases{
      {"q equals p", random_model(5), random_model(5)},
      {"disjoint supports", always({1, 1, 0}), always({0, 0, 1})},
      {"q never says what p likes", random_model(6), always({0, 1, 1})},
      {"p never says what q likes", always({0, 3, 7}), always({18, 1, 1})},
      {"one-hot p", one_hot(7), random_model(8)},
      {"one-hot q", random_model(9), one_hot(10)},
      {"both one-hot", one_hot(11), one_hot(12)},
      {"both one-hot and equal", one_hot(11), one_hot(11)},
  };
  int compared = 0;
  for (const Rule& rule : lossless_rules()) {
    for (const Case& c : cases) {
      for (const DraftShape& shape : draft_shapes(rule.chains_only)) {
        const int length = shape.depth + 1;
        const auto texts = outcome_of(rule.exact_judge, c.target, c.drafter, shape, length).texts;
        EXPECT_EQ(total_variation(texts, plain_chances(c.target, length)), Rational(0))
            << rule.name << ", " << c.name << ", " << shape.text();
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 7 * 8 * 6);
}

Rational emitted_by(std::string_view rule, const ExactModel& target, const ExactModel& drafter,
                    const DraftShape& shape) {
  return outcome_of(make_rule(rule).exact_judge, target, drafter, shape, 1).emitted;
}

TEST(Rules, OneGuessIsAcceptedAsOftenAsTheLawsOverlap) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const ExactModel p = random_model(seed), q = random_model(100 + seed);
    const Rational overlap = sum_min(p({}), q({}));
    for (const char* rule : {"sampled", "block", "traversal", "k-seq"}) {
      EXPECT_EQ(emitted_by(rule, p, q, {.depth = 1}) - Rational(1), overlap) << rule;
    }
    Rational same(0);
    for (int token = 0; token < kVocab; ++token) same += p({})[TokenId{token}] * q({})[TokenId{token}];
    for (const char* rule : {"matched", "target-only"}) {
      EXPECT_EQ(emitted_by(rule, p, q, {.depth = 1}) - Rational(1), same) << rule;
    }
  }
}

// Of so many pairs of models, how many it emits more tokens for; fewer, for none.
int pairs_with_more(std::string_view rule, std::string_view than, const DraftShape& shape, std::uint64_t pairs) {
  int more = 0;
  for (std::uint64_t seed = 0; seed < pairs; ++seed) {
    const ExactModel p = random_model(seed), q = random_model(1000 + seed);
    const Rational emitted = emitted_by(rule, p, q, shape), by_other = emitted_by(than, p, q, shape);
    EXPECT_GE(emitted, by_other);
    more += emitted > by_other ? 1 : 0;
  }
  return more;
}

TEST(Rules, BlockVerificationEmitsNoFewerTokensThanGuessByGuess) {
  EXPECT_GT(pairs_with_more("block", "sampled", {.depth = 3}, 60), 50);
}

TEST(Rules, TraversalOfAChainIsBlockVerification) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const ExactModel p = random_model(seed), q = random_model(1000 + seed);
    for (const DraftShape& shape : draft_shapes(true))
      EXPECT_EQ(emitted_by("block", p, q, shape), emitted_by("traversal", p, q, shape)) << shape.text();
  }
}

TEST(Rules, TraversalOfATreeEmitsNoFewerTokensThanFromTheTop) {
  EXPECT_GT(pairs_with_more("traversal", "sampled", {.depth = 2, .children = 2}, 20), 8);
}

// All but what the search for rho leaves.
TEST(Rules, KSeqAcceptsNoLessThanOneOfItsSiblings) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const ExactModel p = random_model(seed), q = random_model(1000 + seed);
    const DraftShape three{.depth = 1, .children = 3, .siblings = Siblings::independent};
    EXPECT_GE(emitted_by("k-seq", p, q, three) + Rational(1, 1000), emitted_by("k-seq", p, q, {.depth = 1}));
  }
}

TEST(Rules, MoreSiblingsAreAcceptedMoreOften) {
  const ExactModel p = random_model(1), q = random_model(2);
  Rational before(0);
  for (const int children : {1, 2, 3}) {
    const Rational emitted = emitted_by("sampled", p, q, {.depth = 1, .children = children});
    EXPECT_GT(emitted, before);
    before = emitted;
  }
  EXPECT_EQ(before, Rational(2));  // all three tokens were guessed: one of them is right
}

// Planted mistakes.

using ExactLaws = BasicLaws<Rational>;

Verdict no_residual(const ExactTree& tree, const ExactLaws& laws, ExactDice& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    for (const int child : children) {
      const TokenId token = tree[child].token;
      if (dice.accept(laws(node)[token] / law_of_guess(tree[child], kVocab)[token], position, 0))
        return Decision{child};
    }
    return Decision{-1, dice.draw(laws(node), position)};
  });
}

// q before top-k: the drafter draws from the tokens that its filter left, and says that it drew from all.
Verdict q_before_filtering(const ExactTree& tree, const ExactLaws& laws, ExactDice& dice) {
  ExactTree told(tree[0].token, 0);
  for (int node = 1; node < tree.size(); ++node) {
    std::vector<Rational> weights;
    for (int token = 0; token < kVocab; ++token)
      weights.push_back(law_of_guess(tree[node], kVocab)[TokenId{token}] + Rational(1, 4));
    told.add(tree[node].parent, tree[node].token, ExactLaw(weights));
  }
  return make_rule("sampled").exact_judge(told, laws, dice);
}

// The plausible way to write block verification: from the front, ending at the first test that fails.
Verdict block_that_stops_early(const ExactTree& tree, const ExactLaws& laws, ExactDice& dice) {
  Verdict verdict{{0}, tree[0].token};
  Rational kept(1);
  for (int node = 1; node < tree.size(); ++node) {
    const ExactLaw& p = laws(node - 1);
    const Rational q = law_of_guess(tree[node], kVocab)[tree[node].token];
    const Rational before = kept;
    kept = std::min(Rational(1), kept * p[tree[node].token] / q);
    Rational chance = kept;
    if (node + 1 < tree.size()) {
      const auto rest = residual(laws(node), law_of_guess(tree[node + 1], kVocab), kept);
      const Rational mass = rest ? rest->mass : Rational(0);
      const Rational all = mass + (Rational(1) - kept);
      chance = all > Rational(0) ? mass / all : Rational(1);
    }
    if (!dice.accept(chance, node, 0)) {
      const auto rest = residual(p, law_of_guess(tree[node], kVocab), before);
      verdict.next = dice.draw(rest ? rest->law : p, node);
      return verdict;
    }
    verdict.path.push_back(node);
  }
  verdict.next = dice.draw(laws(tree.size() - 1), tree.size());
  return verdict;
}

// Judges the second of two independent siblings as if the first one had not been there.
Verdict forgetful_siblings(const ExactTree& tree, const ExactLaws& laws, ExactDice& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const ExactLaw& p = laws(node);
    for (const int child : children) {
      const TokenId token = tree[child].token;
      if (dice.accept(p[token] / law_of_guess(tree[child], kVocab)[token], position, 0)) return Decision{child};
    }
    const auto rest = children.empty() ? std::nullopt : residual(p, law_of_guess(tree[children[0]], kVocab));
    return Decision{-1, dice.draw(rest ? *rest : p, position)};
  });
}

TEST(Rules, PlantedMistakesFailTheSameTest) {
  const std::vector<Rule> wrong{
      {.name = "no residual", .lossless = true, .judge = {}, .exact_judge = no_residual},
      {.name = "q before filtering", .lossless = true, .judge = {}, .exact_judge = q_before_filtering},
      {.name = "early", .lossless = true, .judge = {}, .exact_judge = block_that_stops_early, .chains_only = true},
      {.name = "forgetful siblings", .lossless = true, .judge = {}, .exact_judge = forgetful_siblings},
  };
  for (const Rule& rule : wrong) {
    const ExactCheck check = check_exactly(rule, 60, Rng(1));
    EXPECT_GT(check.wrong, 5) << rule.name;
    EXPECT_GT(check.largest_distance, 1e-3) << rule.name;
  }
}

TEST(Rules, LossyOnesSaySo) {
  for (const char* text : {"typical", "relaxed", "target-only,together=0.5", "target-only,single=0.9"})
    EXPECT_FALSE(make_rule(text).lossless) << text;
}

}  // namespace
}  // namespace specdec
