// Drafters that look ahead with the target itself or with a part of its work: self, oracle and wrong. They read what
// the target keeps of the final text and append rows of the anchor and of guesses behind it, which are dropped before
// propose() returns. So they keep no cache, take no time to feed, and leave the target's State as it was.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "draft/drafter.h"
#include "draft/grow.h"

namespace specdec {

class TargetDrafter : public Drafter {
 public:
  void lend(State& target) final { state_ = &target; }
  void observe(const Final&) final {}
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) final;

 protected:
  // The model runs on the target's States and outlives the drafter.
  TargetDrafter(const Model& model, DraftLaw law) : model_(model), law_(std::move(law)) {}

  // What guesses are made from: the logits after `nodes`, or others in their place.
  virtual MatView judged(const DraftTree&, std::span<const int> /*nodes*/, const MatView& logits, const Rng&) {
    return logits;
  }
  const DraftCost& work() const { return work_; }

 private:
  MatView look(const DraftTree& tree, std::span<const int> nodes);

  const Model& model_;
  DraftLaw law_;
  State* state_ = nullptr;
  std::vector<int> row_of_node_;  // pending in the State
  DraftCost work_;
};

// Guesses what the target will say, each right with a given chance; the passes that it takes are not counted. right:
// of a guess, drawn for every position. A wrong one is a token that the target is least likely to say.
std::unique_ptr<Drafter> make_foresight(const DrafterContext& context, const Sampler& sampler, double right);

}  // namespace specdec
