// Drafters that look ahead with a model of their own and keep its State in step with the text: small and mtp.
// Final tokens wait until a guess is wanted and then run together with the anchor, which is final as well. Guesses
// stay pending rows of the State; observe() decides what becomes of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/traffic.h"
#include "draft/drafter.h"
#include "draft/grow.h"

namespace specdec {

// The target's sampler, but for the option `temperature`.
Sampler draft_sampler(const DrafterContext& context, const std::string& owner);

class CachedDrafter : public Drafter {
 public:
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) final;
  void prompt_ends() final;
  DraftCost cost() const final { return cost_; }
  std::int64_t step_bytes() const final { return bytes_of_plain_pass(weights_, experts_per_token_); }
  std::int64_t weight_bytes() const final { return weights_.total; }

 protected:
  CachedDrafter(std::unique_ptr<State> state, DraftLaw law, const WeightBytes& weights, int experts_per_token);

  // Runs the first waiting tokens. head: whether anybody will read the logits.
  virtual Output look_at_final(const Batch& batch, HeadUse head) = 0;
  // Runs guesses: row i is node nodes[i] of the tree.
  virtual Output look_at_guesses(const Batch& batch, const DraftTree& tree, std::span<const int> nodes) = 0;
  // A final token that the State has not seen. False when it cannot be fed.
  virtual bool wait(TokenId token);

  std::span<const TokenId> not_yet_fed(std::span<const TokenId> told);  // all, or all but the anchor
  void feed_if_many();
  bool outgrown() const { return outgrown_; }
  void count(const Output& out, int rows, HeadUse head);
  State& state() { return *state_; }
  const Batch& pending() const { return pending_; }  // guesses in the State
  void forget_pending(std::span<const int> path);    // keeps the path

 private:
  bool room_for(std::size_t rows) const;
  std::span<const float> feed(HeadUse head);  // the logits after the last waiting token, if the head is read
  MatView look(const DraftTree& tree, std::span<const int> nodes);

  std::unique_ptr<State> state_;
  DraftLaw law_;
  const WeightBytes& weights_;
  int experts_per_token_;
  DraftCost cost_;
  std::vector<TokenId> waiting_;
  Batch pending_;
  std::vector<int> row_of_node_;
  bool anchor_is_fed_ = false;
  bool outgrown_ = false;  // the text is longer than the State: nothing is guessed any more
};

}  // namespace specdec
