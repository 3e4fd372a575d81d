// Speculative sampling: accept x with chance min(1, p(x)/q(x)), else go on with norm([p - q]+) (Leviathan et al. 2023,
// arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318). Siblings are tried in turn, each with the law that it was
// drawn from: without replacement (recursive rejection: Jeon et al. 2024, arXiv 2402.14160) or with it (multi-step
// speculative sampling: Miao et al. 2023, arXiv 2305.09781). Greedy decoding is this rule on point masses.
#include <optional>
#include <utility>

#include "core/error.h"
#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const BasicDistribution<Scalar>* law = &laws(node);
    std::optional<BasicDistribution<Scalar>> left;  // after rejections
    int tried = 0;
    for (const int child : children) {
      const BasicNode<Scalar>& guess = tree[child];
      const BasicDistribution<Scalar> q = law_of_guess(guess, law->size());
      SPECDEC_ASSERT(q[guess.token] > Scalar(0));
      if (dice.accept((*law)[guess.token] / q[guess.token], position, tried++)) return Decision{child};
      if (auto rest = residual(*law, q)) {  // empty only by rounding: the law stays as it is
        left = std::move(rest);
        law = &*left;
      }
    }
    return Decision{-1, dice.draw(*law, position)};
  });
}

}  // namespace

RuleKind rule_sampled() {
  return {"sampled", "accept with min(1, p/q), else the residual",
          [](Options&) { return Rule{.lossless = true, .judge = judge<double>, .exact_judge = judge<Rational>}; }};
}

}  // namespace specdec
