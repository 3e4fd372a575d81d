// Rules that decide one position after the other, from the anchor down.
#pragma once

#include <vector>

#include "verify/rule.h"

namespace specdec {

// What is decided at one node: a child of it, or else the token that ends the step.
struct Decision {
  int child = -1;
  TokenId next{};
};

// decide(node, children, position): position: of the token that is decided.
template <typename Scalar, typename Decide>
Verdict judge_top_down(const BasicDraftTree<Scalar>& tree, const Decide& decide) {
  Verdict verdict{{0}, tree[0].token};
  for (;;) {
    const int node = verdict.path.back();
    const Decision decision = decide(node, tree.children(node), tree.position(node) + 1);
    if (decision.child < 0) {
      verdict.next = decision.next;
      return verdict;
    }
    verdict.path.push_back(decision.child);
  }
}

// The law that a guess was drawn from.
template <typename Scalar>
BasicDistribution<Scalar> law_of_guess(const BasicNode<Scalar>& guess, int vocab) {
  return guess.q ? *guess.q : BasicDistribution<Scalar>::point(guess.token, vocab);
}

}  // namespace specdec
