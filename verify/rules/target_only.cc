// The rule of SGLang's trees: one number per position, laid along the target's chances of the guesses; no law of the
// drafter is read. Accepts as often as sample and match does. Thresholds below 1 accept more than the target would say.
#include <algorithm>
#include <vector>

#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

// together: what the chances are divided by. single: a guess as likely as this ends the line.
template <typename Scalar>
struct Thresholds {
  Scalar together, single;
};

template <typename Scalar>
Verdict judge(const Thresholds<Scalar>& thresholds, const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws,
              BasicDice<Scalar>& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const BasicDistribution<Scalar>& law = laws(node);
    std::vector<int> guesses;  // none of them twice
    std::vector<Scalar> chances;
    Scalar likely(0), reached(0);
    for (const int child : children) {
      const TokenId token = tree[child].token;
      if (std::ranges::find(guesses, token, [&](int guess) { return tree[guess].token; }) != guesses.end()) continue;
      likely += law[token];
      const bool ends = law[token] >= thresholds.single;
      const Scalar to = ends ? Scalar(1) : std::min(Scalar(1), Scalar(likely / thresholds.together));
      guesses.push_back(child);
      chances.push_back(to - reached);
      reached = to;
    }
    const int chosen = dice.choose(chances, position);
    if (chosen >= 0) return Decision{guesses[static_cast<std::size_t>(chosen)]};
    BasicDistribution<Scalar> left = law;
    for (const int guess : guesses) {
      if (auto rest = residual(left, BasicDistribution<Scalar>::point(tree[guess].token, law.size()))) left = *rest;
    }
    return Decision{-1, dice.draw(left, position)};
  });
}

}  // namespace

RuleKind rule_target_only() {
  return {"target-only", "accept with the target's chances alone; together=T or single=T below 1: lossy",
          [](Options& options) {
            const Thresholds<double> thresholds{options.number("together", 1, 0.01, 1),
                                                options.number("single", 1, 0.01, 1)};
            Rule rule{.lossless = thresholds.together == 1 && thresholds.single == 1};
            rule.judge = [thresholds](const auto& tree, const auto& laws, auto& dice) {
              return judge(thresholds, tree, laws, dice);
            };
            if (rule.lossless) {
              rule.exact_judge = [](const auto& tree, const auto& laws, auto& dice) {
                return judge({Rational(1), Rational(1)}, tree, laws, dice);
              };
            }
            return rule;
          }};
}

}  // namespace specdec
