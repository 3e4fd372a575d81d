// Sample and match: the target draws every token as plain decoding would, and a guess stays if it is what was drawn.
// The text is plain decoding's of the same seed, at any temperature; fewer guesses stay than by min(1, p/q).
#include <algorithm>

#include "verify/rational.h"
#include "verify/top_down.h"

namespace specdec {
namespace {

template <typename Scalar>
Verdict judge(const BasicDraftTree<Scalar>& tree, const BasicLaws<Scalar>& laws, BasicDice<Scalar>& dice) {
  return judge_top_down(tree, [&](int node, const std::vector<int>& children, int position) {
    const TokenId drawn = dice.draw(laws(node), position);
    const auto guess = std::ranges::find(children, drawn, [&](int child) { return tree[child].token; });
    return Decision{guess == children.end() ? -1 : *guess, drawn};
  });
}

}  // namespace

RuleKind rule_matched() {
  return {"matched", "a guess stays if the target draws it: the text of plain decoding",
          [](Options&) { return Rule{.lossless = true, .judge = judge<double>, .exact_judge = judge<Rational>}; }};
}

}  // namespace specdec
