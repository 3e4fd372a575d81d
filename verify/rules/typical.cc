// Typical acceptance (Cai et al. 2024, arXiv 2401.10774, Medusa): a guess stays if p(x) >= min(epsilon, delta
// exp(-H(p))). Not lossless: the text follows what was guessed, where the target is unsure.
#include <algorithm>
#include <cmath>

#include "verify/top_down.h"

namespace specdec {
namespace {

double entropy(const Distribution& law) {  // nats
  if (law.certain()) return 0;
  double sum = 0;
  for (int token = 0; token < law.size(); ++token) {
    const double chance = law[TokenId{token}];
    if (chance > 0) sum -= chance * std::log(chance);
  }
  return sum;
}

Verdict judge(double epsilon, double delta, const DraftTree& tree, const Laws& laws, Dice& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const Distribution& law = laws(node);
    if (!children.empty()) {
      const double least = std::min(epsilon, delta * std::exp(-entropy(law)));
      const auto typical = std::ranges::find_if(children, [&](int child) { return law[tree[child].token] >= least; });
      if (typical != children.end()) return Decision{*typical};
    }
    return Decision{-1, dice.draw(law, position)};
  });
}

}  // namespace

RuleKind rule_typical() {
  return {"typical", "lossy: guesses that are likely enough for the target: epsilon=0.3,delta=0.09",
          [](Options& options) {
            const double epsilon = options.number("epsilon", 0.3, 0, 1);
            const double delta = options.number("delta", 0.09, 0, 1);
            return Rule{.lossless = false,
                        .judge = [=](const auto& tree, const auto& laws,
                                     auto& dice) { return judge(epsilon, delta, tree, laws, dice); },
                        .reads_likelihood = true};
          }};
}

}  // namespace specdec
