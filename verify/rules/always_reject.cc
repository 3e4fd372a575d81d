// No guess is ever taken: the text, and every draw of it, is plain decoding's. What is left of speculation is its cost.
#include "verify/rational.h"
#include "verify/rule.h"

namespace specdec {
namespace {

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  return {{0}, dice.draw(laws(0), tree.position(0) + 1)};
}

}  // namespace

RuleKind rule_always_reject() {
  return {"always-reject", "no guess is taken: for measuring what guessing costs",
          [](Options&) { return Rule{.lossless = true, .judge = judge<double>, .exact_judge = judge<Rational>}; }};
}

}  // namespace specdec
