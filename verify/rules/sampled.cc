// Speculative sampling: accept x with chance min(1, p(x)/q(x)), else go on with norm([p - q]+) (Leviathan et al. 2023,
// arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318). Siblings drawn without replacement are tried in turn
// (recursive rejection: Jeon et al. 2024, arXiv 2402.14160). Greedy decoding is this rule on point masses.
#include <optional>
#include <utility>

#include "core/error.h"
#include "verify/rule.h"

namespace specdec {
namespace {

Verdict judge(const DraftTree& tree, std::span<const Distribution> p, Dice& dice) {
  SPECDEC_ASSERT(static_cast<int>(p.size()) == tree.size());
  Verdict verdict{{0}, tree[0].token};
  for (;;) {
    const int at = verdict.path.back();
    const int position = tree.position(at) + 1;  // of the token that is decided
    const Distribution* law = &p[static_cast<std::size_t>(at)];
    std::optional<Distribution> left;  // after rejections
    int tried = 0;
    int taken = -1;
    for (int node = at + 1; node < tree.size() && taken < 0; ++node) {
      const Node& guess = tree[node];
      if (guess.parent != at) continue;
      const Distribution certain = Distribution::point(guess.token, law->size());
      const Distribution& q = guess.q ? *guess.q : certain;
      SPECDEC_ASSERT(q[guess.token] > 0);
      if (dice.accept((*law)[guess.token] / q[guess.token], position, tried++)) {
        taken = node;
      } else if (auto rest = residual(*law, q)) {  // empty only by rounding: the law stays as it is
        left = std::move(rest);
        law = &*left;
      }
    }
    if (taken < 0) {
      verdict.next = dice.draw(*law, position);
      return verdict;
    }
    verdict.path.push_back(taken);
  }
}

}  // namespace

Rule rule_sampled() { return {"sampled", "accept with min(1, p/q), else the residual", true, judge}; }

}  // namespace specdec
