// The shape of a draft, for drafters that look one pass ahead: level by level, the surest nodes first.
//   grow(tree, budget, rng, law, [&](std::span<const int> nodes) { return one_pass_over(nodes); });
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/distribution.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "core/tree.h"
#include "draft/policy.h"
#include "draft/rows.h"

namespace specdec {

// Which columns of a drafter's logits the target can hear, and as which tokens; in the order of the tokens, so that
// ties go to the lowest.
struct DraftColumns {
  std::vector<std::size_t> columns;
  std::vector<TokenId> tokens;            // one for each, ascending
  bool are_all(std::size_t width) const;  // the columns 0, 1, … width - 1
};
// tokens[column]; no two columns are the same token, and at least one is a token.
DraftColumns columns_of(std::span<const std::optional<TokenId>> tokens);

// From a row of the drafter's logits to a law over the target's vocabulary. Tokens that the drafter cannot say have
// probability zero, and the rest is renormalised (token-level intersection: Timor et al. 2025, arXiv 2502.05202,
// algorithm 4).
class DraftLaw {
 public:
  // Without columns, column i is token i.
  DraftLaw(const Sampler& sampler, int vocab, std::shared_ptr<const DraftColumns> columns = nullptr);

  const Sampler& sampler() const { return sampler_; }
  // The columns that have a token, in the order of tokens; `buffer` holds them when they are not the logits as they
  // are.
  std::span<const float> known(std::span<const float> logits, std::vector<float>& buffer) const;
  Distribution of(std::span<const float> known) const;
  TokenId token(std::size_t known) const {
    return columns_ ? columns_->tokens[known] : TokenId{static_cast<std::int32_t>(known)};
  }

 private:
  Sampler sampler_;
  int vocab_;
  std::shared_ptr<const DraftColumns> columns_;
};

// What a policy is told of a guess that this law draws.
Outlook outlook_of(const Distribution& law);

// The largest of known logits, with the drafter's own probability of each; of equals the lowest token first.
struct LikelyToken {
  TokenId token;
  double confidence;
  Outlook outlook;
};
std::vector<LikelyToken> likeliest(std::span<const float> known, int count, const DraftLaw& law);

// One pass: row i are the logits after nodes[i]. The first call is for the anchor alone; views live until the next.
using LookAhead = std::function<MatView(std::span<const int> nodes)>;

// At a temperature siblings are drawn without replacement, each with the law that it was drawn from; at temperature 0
// they are the largest logits and certain. A level gets its share of the rows that are left, so a chain of side
// branches grows along the surest path when rows = depth * width. In a static tree every node gets the children that it
// has there. Nothing is dropped after it was drawn: that would bias it.
void grow(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLaw& law, const LookAhead& look);

// The same with passes in the ids of the drafter's model.
using OwnId = std::function<DraftId(TokenId)>;
void grow(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLaw& law, const OwnId& own_id,
          const DraftLook& look);

}  // namespace specdec
