// The shape of a draft, for drafters that look one pass ahead: level by level, the surest nodes first.
//   grow(tree, budget, rng, law, [&](std::span<const int> nodes) { return one_pass_over(nodes); });
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/distribution.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "core/tree.h"
#include "draft/policy.h"

namespace specdec {

// From a row of the drafter's logits to a law over the target's vocabulary. Tokens that the drafter cannot say have
// probability zero, and the rest is renormalised.
class DraftLaw {
 public:
  DraftLaw(const Sampler& sampler, int vocab) : sampler_(sampler), vocab_(vocab) {}
  // Column i of the logits is target token ids[i], ascending; columns without a token are left out.
  DraftLaw(const Sampler& sampler, int vocab, std::span<const std::optional<TokenId>> ids);

  const Sampler& sampler() const { return sampler_; }
  // The columns that have a token, and the token of each; `buffer` holds them when they are not all.
  std::span<const float> known(std::span<const float> logits, std::vector<float>& buffer) const;
  Distribution of(std::span<const float> known) const { return sampler_.distribution(known, ids_, vocab_); }
  TokenId token(std::size_t known) const {
    return ids_.empty() ? TokenId{static_cast<std::int32_t>(known)} : ids_[known];
  }

 private:
  Sampler sampler_;
  int vocab_;
  std::vector<std::size_t> columns_;  // with a token; empty = the first min(columns, vocab)
  std::vector<TokenId> ids_;
};

// One pass: row i are the logits after nodes[i]. The first call is for the anchor alone; views live until the next.
using LookAhead = std::function<MatView(std::span<const int> nodes)>;

// At a temperature siblings are drawn without replacement, each with the law that it was drawn from; at temperature 0
// they are the largest logits and certain. A level gets its share of the rows that are left, so a chain of side
// branches grows along the surest path when rows = depth * width. Nothing is dropped after it was drawn: that would
// bias it.
void grow(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLaw& law, const LookAhead& look);

}  // namespace specdec
