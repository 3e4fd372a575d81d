// Sample and match: the target draws every token as plain decoding would, and a guess stays if it is what was drawn.
// The text is plain decoding's of the same seed, at any temperature; fewer guesses stay than by min(1, p/q).
#include "core/error.h"
#include "verify/rule.h"

namespace specdec {
namespace {

int child_with(const DraftTree& tree, int parent, TokenId token) {
  for (int node = parent + 1; node < tree.size(); ++node) {
    if (tree[node].parent == parent && tree[node].token == token) return node;
  }
  return -1;
}

Verdict judge(const DraftTree& tree, std::span<const Distribution> p, Dice& dice) {
  SPECDEC_ASSERT(static_cast<int>(p.size()) == tree.size());
  Verdict verdict{{0}, tree[0].token};
  for (;;) {
    const int at = verdict.path.back();
    verdict.next = dice.draw(p[static_cast<std::size_t>(at)], tree.position(at) + 1);
    const int guessed = child_with(tree, at, verdict.next);
    if (guessed < 0) return verdict;
    verdict.path.push_back(guessed);
  }
}

}  // namespace

Rule rule_matched() {
  return {"matched", "a guess stays if the target draws it: the text of plain decoding", true, judge};
}

}  // namespace specdec
