// Drafters that look at nothing but the tokens of the text: ngram and suffix. No pass of a model, no weights.
#pragma once

#include "draft/drafter.h"

namespace specdec {

class TextDrafter : public Drafter {
 public:
  void observe(const Final& seen) final;
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) final;

 protected:
  virtual void add(TokenId token) = 0;  // the next of the text; the anchor is told once, like the others
  virtual void guess(DraftTree& tree, const Budget& budget) = 0;

 private:
  bool anchor_is_told_ = false;
};

// Whether the budget and its policy have room for one more guess below `node`.
bool may_extend(const DraftTree& tree, int node, const Budget& budget);

}  // namespace specdec
