// Relaxed acceptance, as in TensorRT-LLM: a guess stays if it is among the target's `top` likeliest tokens and its
// log-probability within `delta` of the likeliest one's. Not lossless.
#include <algorithm>
#include <cmath>

#include "verify/top_down.h"

namespace specdec {
namespace {

bool is_near(const Distribution& law, TokenId guess, int top, double delta) {
  const double chance = law[guess];
  if (chance == 0) return false;
  int likelier = 0;
  double likeliest = chance;
  for (int token = 0; token < law.size(); ++token) {
    const double other = law[TokenId{token}];
    if (other > chance) ++likelier;
    likeliest = std::max(likeliest, other);
  }
  return likelier < top && std::log(likeliest) - std::log(chance) <= delta;
}

Verdict judge(int top, double delta, const DraftTree& tree, const Laws& laws, Dice& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const Distribution& law = laws(node);
    const auto near =
        std::ranges::find_if(children, [&](int child) { return is_near(law, tree[child].token, top, delta); });
    if (near != children.end()) return Decision{*near};
    return Decision{-1, dice.draw(law, position)};
  });
}

}  // namespace

RuleKind rule_relaxed() {
  return {"relaxed", "lossy: guesses near the target's likeliest token: top=10,delta=0.6", [](Options& options) {
            const int top = options.integer("top", 10, 1, 1 << 20);
            const double delta = options.number("delta", 0.6, 0, 100);
            return Rule{.lossless = false,
                        .judge = [=](const auto& tree, const auto& laws,
                                     auto& dice) { return judge(top, delta, tree, laws, dice); },
                        .reads_likelihood = true};
          }};
}

}  // namespace specdec
