// Every rule that claims to be lossless leaves the target's law exactly as it is: all draws of the drafter and all
// decisions of the judge are enumerated, and the chances of all texts add up to the target's. Planted wrong rules fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kinds.h"
#include "verify/rule.h"

namespace specdec {
namespace {

constexpr int kVocab = 3;
constexpr int kLength = 3;  // tokens whose law is compared
using Text = std::vector<int>;
using Law = std::map<Text, double>;
using Model = std::function<Distribution(const Text&)>;

// Walks through every outcome of code that asks it: run() once per outcome, chance() is that outcome's so far.
class EveryOutcome : public Dice {
 public:
  void for_each(const std::function<void()>& run) {
    do {
      next_ = 0;
      chance_ = 1;
      run();
    } while (advance());
  }
  double chance() const { return chance_; }

  bool accept(double chance, int, int) override {
    return choose({1 - std::min(1.0, chance), std::min(1.0, chance)}) == 1;
  }
  TokenId draw(const Distribution& law, int) override {
    std::vector<double> chances;
    for (int i = 0; i < law.size(); ++i) chances.push_back(law[TokenId{i}]);
    return TokenId{static_cast<std::int32_t>(choose(chances))};
  }

 private:
  struct Choice {
    std::size_t taken;
    std::vector<double> chances;
  };

  std::size_t choose(std::vector<double> chances) {
    if (next_ == choices_.size()) choices_.push_back({possible(chances, 0), std::move(chances)});
    const Choice& choice = choices_[next_++];
    chance_ *= choice.chances[choice.taken];
    return choice.taken;
  }
  static std::size_t possible(const std::vector<double>& chances, std::size_t from) {
    while (from < chances.size() && chances[from] <= 0) ++from;
    return from;
  }
  bool advance() {
    for (; !choices_.empty(); choices_.pop_back()) {
      Choice& last = choices_.back();
      last.taken = possible(last.chances, last.taken + 1);
      if (last.taken < last.chances.size()) return true;
    }
    return false;
  }

  std::vector<Choice> choices_;
  std::size_t next_ = 0;
  double chance_ = 1;
};

const Rule& sampled() { return find_kind(rules(), "rule", "sampled"); }

// How a drafter grows its tree: `children` of every node down to `depth`; siblings drawn without replacement, or
// certain.
struct Shape {
  int depth;
  int children;
};

void draft(DraftTree& tree, int node, const Text& text, const Shape& shape, const Model& q, bool certain, Dice& dice) {
  if (tree[node].depth == shape.depth) return;
  std::optional<Distribution> law = q(text);
  std::vector<std::pair<int, Text>> added;
  for (int rank = 0; rank < shape.children && law; ++rank) {
    const TokenId token = dice.draw(*law, 0);
    auto rest = residual(*law, Distribution::point(token, kVocab));
    Text longer = text;
    longer.push_back(index(token));
    added.emplace_back(tree.add(node, token, certain ? std::nullopt : std::move(law)), std::move(longer));
    law = std::move(rest);
  }
  for (const auto& [child, longer] : added) draft(tree, child, longer, shape, q, certain, dice);
}

Text text_to(const DraftTree& tree, int node) {
  Text text;
  for (; node > 0; node = tree[node].parent) text.insert(text.begin(), index(tree[node].token));
  return text;
}

void extend(const Model& p, const Text& text, double chance, Law& law) {
  if (static_cast<int>(text.size()) >= kLength) {
    law[Text(text.begin(), text.begin() + kLength)] += chance;
    return;
  }
  const Distribution next = p(text);
  for (int token = 0; token < kVocab; ++token) {
    Text longer = text;
    longer.push_back(token);
    if (next[TokenId{token}] > 0) extend(p, longer, chance * next[TokenId{token}], law);
  }
}

struct Outcome {
  Law law;
  double emitted = 0;  // tokens of the step, on average
};

// One step of speculation, then plain sampling up to kLength tokens.
Outcome outcome_of(Judge judge, const Model& p, const Model& q, const Shape& shape, bool certain = false) {
  Outcome outcome;
  EveryOutcome dice;
  dice.for_each([&] {
    DraftTree tree(TokenId{0}, 0);
    draft(tree, 0, {}, shape, q, certain, dice);
    std::vector<Distribution> laws;
    for (int node = 0; node < tree.size(); ++node) laws.push_back(p(text_to(tree, node)));
    const Verdict verdict = judge(tree, laws, dice);
    Text text = text_to(tree, verdict.path.back());
    text.push_back(index(verdict.next));
    outcome.emitted += dice.chance() * static_cast<double>(text.size());
    extend(p, text, dice.chance(), outcome.law);
  });
  return outcome;
}

double distance(const Law& a, const Law& b) {
  double sum = 0;
  for (const auto& [text, chance] : a) sum += std::abs(chance - (b.contains(text) ? b.at(text) : 0));
  for (const auto& [text, chance] : b) sum += a.contains(text) ? 0 : chance;
  return sum / 2;
}

Law law_of(const Model& p) {
  Law law;
  extend(p, {}, 1, law);
  return law;
}

// Another law for every text; `sparse` leaves out one token, as top-p does.
Model random_model(std::uint64_t seed, bool sparse = false) {
  return [seed, sparse](const Text& text) {
    Rng rng(seed);
    for (const int token : text) rng = rng.fork(static_cast<std::uint64_t>(token));
    std::vector<double> weights;
    for (std::uint64_t i = 0; i < kVocab; ++i) weights.push_back(0.05 + rng.uniform(i));
    if (sparse) weights[rng.bits(9) % kVocab] = 0;
    return Distribution(weights);
  };
}
Model always(Distribution law) {
  return [law](const Text&) { return law; };
}
Model one_hot(std::uint64_t seed) {
  return [model = random_model(seed)](const Text& text) {
    const Distribution law = model(text);
    int best = 0;
    for (int i = 1; i < kVocab; ++i) best = law[TokenId{i}] > law[TokenId{best}] ? i : best;
    return Distribution::point(TokenId{best}, kVocab);
  };
}

struct Case {
  std::string name;
  Model p, q;
};

std::vector<Case> cases() {
  std::vector<Case> all{
      {"q equals p", random_model(5), random_model(5)},
      {"disjoint supports", always(Distribution({0.5, 0.5, 0})), always(Distribution({0, 0, 1}))},
      {"q never says what p likes", random_model(6), always(Distribution({0, 0.5, 0.5}))},
      {"p never says what q likes", always(Distribution({0, 0.3, 0.7})), always(Distribution({0.9, 0.05, 0.05}))},
      {"one-hot p", one_hot(7), random_model(8)},
      {"one-hot q", random_model(9), one_hot(10)},
      {"both one-hot", one_hot(11), one_hot(12)},
      {"both one-hot and equal", one_hot(11), one_hot(11)},
  };
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    all.push_back({"random", random_model(100 + seed), random_model(200 + seed)});
    all.push_back({"p filtered by top-p", random_model(300 + seed, true), random_model(400 + seed)});
    all.push_back({"both filtered", random_model(500 + seed, true), random_model(600 + seed, true)});
  }
  return all;
}

constexpr Shape kShapes[] = {{0, 0}, {1, 1}, {2, 1}, {3, 1}, {1, 2}, {1, 3}, {2, 2}};

TEST(Rules, LosslessOnesKeepTheTargetsLawExactly) {
  int compared = 0;
  for (const Rule& rule : rules()) {
    if (!rule.lossless) continue;
    for (const Case& c : cases()) {
      const Law expected = law_of(c.p);
      for (const Shape& shape : kShapes) {
        for (const bool certain : {false, true}) {
          const Law law = outcome_of(rule.judge, c.p, c.q, shape, certain).law;
          EXPECT_LT(distance(law, expected), 1e-12)
              << rule.name << ", " << c.name << ", depth " << shape.depth << ", children " << shape.children
              << (certain ? ", guesses without q" : "");
          ++compared;
        }
      }
    }
  }
  EXPECT_GE(compared, 38 * 7 * 2);
}

TEST(Rules, OneGuessIsAcceptedAsOftenAsTheLawsOverlap) {
  for (const Case& c : cases()) {
    const Outcome outcome = outcome_of(sampled().judge, c.p, c.q, {1, 1});
    EXPECT_NEAR(outcome.emitted - 1, sum_min(c.p({}), c.q({})), 1e-12) << c.name;
  }
}

TEST(Rules, MoreSiblingsAreAcceptedMoreOften) {
  const Model p = random_model(1);
  const Model q = random_model(2);
  double before = 0;
  for (const int children : {1, 2, 3}) {
    const double emitted = outcome_of(sampled().judge, p, q, {1, children}).emitted;
    EXPECT_GT(emitted, before);
    before = emitted;
  }
  EXPECT_NEAR(before, 2, 1e-12);  // all three tokens were guessed: one of them is right
}

Verdict judge_without_residual(const DraftTree& tree, std::span<const Distribution> p, Dice& dice) {
  Verdict verdict{{0}, tree[0].token};
  for (int node = 1; node < tree.size(); ++node) {
    const Node& guess = tree[node];
    const Distribution& law = p[static_cast<std::size_t>(guess.parent)];
    if (guess.parent != verdict.path.back() || !dice.accept(law[guess.token] / (*guess.q)[guess.token], 0, 0)) continue;
    verdict.path.push_back(node);
  }
  verdict.next = dice.draw(p[static_cast<std::size_t>(verdict.path.back())], 0);
  return verdict;
}

Verdict judge_half_as_strict(const DraftTree& tree, std::span<const Distribution> p, Dice& dice) {
  DraftTree easier(tree[0].token, 0);
  for (int node = 1; node < tree.size(); ++node) {
    const Distribution& q = *tree[node].q;
    std::vector<double> weights;
    for (int i = 0; i < q.size(); ++i) weights.push_back(std::sqrt(q[TokenId{i}]));
    easier.add(tree[node].parent, tree[node].token, Distribution(weights));
  }
  return sampled().judge(easier, p, dice);
}

TEST(Rules, PlantedWrongOnesFailTheSameTest) {
  for (const Judge wrong : {judge_without_residual, judge_half_as_strict}) {
    for (const Shape& shape : {Shape{1, 1}, Shape{2, 1}}) {
      const Model p = random_model(100);
      EXPECT_GT(distance(outcome_of(wrong, p, random_model(200), shape).law, law_of(p)), 1e-3);
    }
  }
}

}  // namespace
}  // namespace specdec
