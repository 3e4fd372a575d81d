// Drafters that look ahead with a model of their own and keep its State in step with the text: small, mtp and eagle.
// Final tokens wait until a guess is wanted and then run together with the anchor, which is final as well. Those rows
// and the guesses' stay pending in the State; observe() decides what becomes of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/traffic.h"
#include "draft/drafter.h"
#include "draft/rows.h"

namespace specdec {

// The target's sampler, but for the option `temperature`.
Sampler draft_sampler(const DrafterContext& context, const std::string& owner);

class CachedDrafter : public Drafter {
 public:
  void propose(DraftTree& tree, const Budget& budget, const Rng& rng) final;
  void prompt_ends() override;
  DraftCost cost() const override { return cost_; }
  std::int64_t step_bytes() const final { return bytes_of_plain_pass(weights_, experts_per_token_); }
  std::int64_t weight_bytes() const final { return weights_.total; }

 protected:
  CachedDrafter(std::unique_ptr<State> state, const WeightBytes& weights, int experts_per_token);

  // Runs the first waiting ids, a chain. head: whether anybody will read the logits.
  virtual Output look_at_final(const DraftRows& rows, HeadUse head) = 0;
  // Runs guesses; their parents are rows of pending().
  virtual Output look_at_guesses(const DraftRows& rows) = 0;
  virtual void guess(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLook& look) = 0;
  // Whether the anchor, a final token like others, waits now, and whether guesses may follow it.
  enum class Anchor { told, told_without_guesses, refused };
  virtual Anchor tell_anchor(TokenId token) = 0;

  std::span<const TokenId> not_yet_told(std::span<const TokenId> final_tokens);  // all, or all but the anchor
  void wait(DraftId token) { waiting_.push_back(token); }
  void wait_loosely(std::span<const DraftId> tokens) { loose_.assign(tokens.begin(), tokens.end()); }
  void keep_what_waits();  // of the pending rows; the others are forgotten
  void feed_if_many();
  bool outgrown() const { return outgrown_; }
  // not_read: bytes of a pass that this one had no need of.
  void count(const Output& out, int rows, HeadUse head, std::int64_t not_read = 0);
  State& state() { return *state_; }
  int room() const;  // for rows of guesses

 private:
  bool room_for(std::size_t rows) const;
  void feed(std::size_t rows);  // the first that wait
  MatView look_after_text();
  MatView look(const DraftRows& guesses);

  std::unique_ptr<State> state_;
  const WeightBytes& weights_;
  int experts_per_token_;
  DraftCost cost_;
  std::vector<DraftId> waiting_;  // of final tokens
  std::vector<DraftId> loose_;    // after those: ids of final tokens, which may become others
  DraftRows pending_;             // in the State: waiting_ and loose_, then guesses
  int text_rows_ = 0;             // of these: not guessed
  bool anchor_is_told_ = false;
  bool outgrown_ = false;  // the text is longer than the State: nothing is guessed any more
};

}  // namespace specdec
