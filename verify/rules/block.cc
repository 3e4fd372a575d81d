// Block verification of chains (Sun et al. 2024, arXiv 2403.10444, algorithm 2): the longest accepted prefix is found
// from its end, so that a guess that looks unlikely alone may stay with what follows it. Never fewer tokens on average
// than guess by guess. All prefixes are tested; to stop at the first that fails would bias the text.
#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  std::vector<Scalar> ratio{Scalar(1)};  // min(1, ratio[i - 1] p/q of guess i)
  for (int node = 1; node < tree.size(); ++node) {
    const BasicNode<Scalar>& guess = tree[node];
    SPECDEC_ASSERT(guess.parent == node - 1);
    const BasicDistribution<Scalar>& p = laws(node - 1);
    const Scalar q = law_of_guess(guess, p.size())[guess.token];
    ratio.push_back(std::min(Scalar(1), Scalar(ratio.back() * p[guess.token] / q)));
  }

  Verdict verdict{{}, tree[0].token};
  int last = tree.size() - 1;
  std::optional<BasicDistribution<Scalar>> next;  // if not the target's
  if (last > 0 && !dice.accept(ratio.back(), tree.position(last), 0)) {
    for (--last;; --last) {
      const BasicDistribution<Scalar>& p = laws(last);
      const Scalar& kept = ratio[static_cast<std::size_t>(last)];
      const auto rest = residual(p, law_of_guess(tree[last + 1], p.size()), kept);
      const Scalar mass = rest ? rest->mass : Scalar(0);
      const Scalar all = mass + (Scalar(1) - kept);  // 0 only by rounding
      next = rest ? rest->law : p;
      if (last == 0 || (all > Scalar(0) && dice.accept(mass / all, tree.position(last), 0))) break;
    }
  }
  for (int node = 0; node <= last; ++node) verdict.path.push_back(node);
  verdict.next = dice.draw(next ? *next : laws(last), tree.position(last) + 1);
  return verdict;
}

}  // namespace

RuleKind rule_block() {
  return {"block", "the longest prefix of a chain whose joint ratio is accepted", [](Options&) {
            return Rule{.lossless = true, .judge = judge<double>, .exact_judge = judge<Rational>, .chains_only = true};
          }};
}

}  // namespace specdec
