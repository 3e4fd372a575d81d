// K-SEQ (Sun et al. 2023, arXiv 2310.15141, SpecTr): siblings drawn independently from one law q are accepted with
// min(1, p/(rho q)), rho such that what is accepted in all makes up for the division. Siblings with laws of their own
// are judged one after the other, as by `sampled`.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

template <typename Scalar>
Scalar one_of(Scalar chance, std::size_t tries) {  // of so many tries succeeds
  Scalar none(1);
  for (std::size_t i = 0; i < tries; ++i) none *= Scalar(1) - chance;
  return Scalar(1) - none;
}

// The least rho, to a part in 4096 of `guesses` and never too small: with any larger one the rule is as exact.
template <typename Scalar>
Scalar rho_of(const BasicDistribution<Scalar>& p, const BasicDistribution<Scalar>& q, std::size_t guesses) {
  const auto is_enough = [&](const Scalar& rho) {
    const Scalar accepted = sum_min(p, q, Scalar(Scalar(1) / rho));
    return one_of(accepted, guesses) <= rho * accepted;
  };
  Scalar low(1), high(static_cast<int>(guesses));
  if (guesses == 1 || is_enough(low)) return low;
  for (int i = 0; i < 12; ++i) {
    const Scalar middle = (low + high) / Scalar(2);
    (is_enough(middle) ? high : low) = middle;
  }
  return high;
}

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const BasicDistribution<Scalar>* law = &laws(node);
    std::optional<BasicDistribution<Scalar>> left;
    int tried = 0;
    for (auto first = children.begin(); first != children.end();) {
      const auto& drawn_from = tree[*first].q;
      const auto end =
          drawn_from ? std::find_if(first, children.end(), [&](int c) { return tree[c].q != drawn_from; }) : first + 1;
      const auto guesses = static_cast<std::size_t>(end - first);
      const BasicDistribution<Scalar> q = law_of_guess(tree[*first], law->size());
      const Scalar rho = rho_of(*law, q, guesses);
      for (; first != end; ++first) {
        const TokenId token = tree[*first].token;
        if (dice.accept((*law)[token] / (rho * q[token]), position, tried++)) return Decision{*first};
      }
      const Scalar accepted = sum_min(*law, q, Scalar(Scalar(1) / rho));
      if (!(accepted > Scalar(0))) continue;
      const Scalar share = one_of(accepted, guesses) / accepted;
      if (auto rest = rest_of(*law, q, [&](const Scalar& of_p, const Scalar& of_q) {
            return Scalar(of_p - share * std::min(of_q, Scalar(of_p / rho)));
          })) {
        left = std::move(rest->law);
        law = &*left;
      }
    }
    return Decision{-1, dice.draw(*law, position)};
  });
}

}  // namespace

RuleKind rule_k_seq() {
  return {"k-seq", "siblings drawn independently, accepted with min(1, p/(rho q))", [](Options&) {
            return Rule{.lossless = true,
                        .judge = judge<double>,
                        .exact_judge = judge<Rational>,
                        .siblings = Siblings::independent};
          }};
}

}  // namespace specdec
