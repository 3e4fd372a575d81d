#include "draft/text_drafter.h"

#include <utility>

#include "core/error.h"

namespace specdec {

void TextDrafter::observe(const Final& seen) {
  for (const TokenId token : seen.tokens.subspan(std::exchange(anchor_is_told_, false) ? 1 : 0)) add(token);
}

void TextDrafter::propose(DraftTree& tree, const Budget& budget, const Rng&) {
  SPECDEC_ASSERT(!anchor_is_told_);
  if (budget.depth == 0) return;
  add(tree[0].token);
  anchor_is_told_ = true;
  guess(tree, budget);
}

bool may_extend(const DraftTree& tree, int node, const Budget& budget) {
  return tree.guesses() < budget.row_limit() && tree[node].depth < budget.depth &&
         (!budget.policy || budget.policy->extend(tree, node, budget));
}

}  // namespace specdec
