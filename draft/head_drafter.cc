#include "draft/head_drafter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "draft/cached.h"
#include "draft/grow.h"
#include "draft/grow_ranked.h"

namespace specdec {
namespace {

class HeadDrafter : public CachedDrafter {
 public:
  HeadDrafter(const DraftHead& head, const DrafterContext& context, DraftLaw law, TreeShape shape)
      : CachedDrafter(head.new_state(context.capacity), head.bytes(), context.target.info().experts_per_token),
        head_(head),
        law_(std::move(law)),
        shape_(shape),
        hidden_(static_cast<std::size_t>(head.hidden())),
        read_(head.taps().size() * static_cast<std::size_t>(context.target.info().hidden)) {}

  Taps needs() const override {
    Taps taps;
    taps.layers.assign(head_.taps().begin(), head_.taps().end());
    return taps;
  }

  void observe(const Final& seen) override {
    const std::size_t told = seen.tokens.size() - not_yet_told(seen.tokens).size();
    keep_what_waits();
    if (outgrown()) return;
    for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
      if (i >= told) tell_anchor(seen.tokens[i]);
      before_.clear();
      for (const MatView& layer : seen.hidden) {
        const auto row = row_span(layer, seen.rows[i]);
        before_.insert(before_.end(), row.begin(), row.end());
      }
    }
    feed_if_many();
  }

 private:
  static DraftId own_id(TokenId token) { return DraftId{index(token)}; }

  Anchor tell_anchor(TokenId token) override {
    if (before_.empty()) return Anchor::refused;  // the first token of the text has no hidden state before it
    waiting_states_.insert(waiting_states_.end(), before_.begin(), before_.end());
    wait(own_id(token));
    return Anchor::told;
  }

  void guess(DraftTree& tree, const Budget& budget, const Rng& rng, const DraftLook& look) override {
    if (shape_ == TreeShape::ranked && budget.width > 1 && !budget.tree) {
      grow_ranked(tree, budget, law_, room(), own_id, look);
    } else {
      grow(tree, budget, rng, law_, own_id, look);
    }
  }

  Output look_at_final(const DraftRows& rows, HeadUse head) override {
    carried_.clear();
    const Output out =
        run(rows, waiting_states_, HeadStates::of_target, head == HeadUse::read ? LogitRows::last : LogitRows::none);
    const auto fed = static_cast<std::ptrdiff_t>(rows.tokens.size() * read_);
    waiting_states_.erase(waiting_states_.begin(), waiting_states_.begin() + fed);
    return out;
  }

  Output look_at_guesses(const DraftRows& rows) override {
    std::vector<float> states;
    for (const int parent : rows.parents) {
      const auto carried = carried_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(parent) * hidden_);
      states.insert(states.end(), carried, carried + static_cast<std::ptrdiff_t>(hidden_));
    }
    return run(rows, states, HeadStates::carried, LogitRows::all);
  }

  Output run(const DraftRows& fed, const std::vector<float>& values, HeadStates whose, LogitRows logits) {
    const auto rows = static_cast<Eigen::Index>(fed.tokens.size());
    const std::size_t width = whose == HeadStates::carried ? hidden_ : read_;
    const MatView states(values.data(), rows, static_cast<Eigen::Index>(width));
    const Output out = head_.forward(batch_of(fed), states, whose, state(), logits);
    count(out, static_cast<int>(rows), logits == LogitRows::none ? HeadUse::skipped : HeadUse::read,
          whose == HeadStates::carried ? head_.joining_bytes() : 0);
    const MatView& carried = out.hidden.front();
    carried_.insert(carried_.end(), carried.data(), carried.data() + carried.size());
    return out;
  }

  const DraftHead& head_;
  DraftLaw law_;
  TreeShape shape_;
  std::size_t hidden_;                 // width of a carried state
  std::size_t read_;                   // width of the target's states of a token, all tapped layers
  std::vector<float> before_;          // of the last told token; empty before the first
  std::vector<float> waiting_states_;  // (waiting tokens, read_)
  std::vector<float> carried_;         // (pending rows, hidden_): what each of them carries on
};

DraftLaw law_of(const DraftHead& head, int vocab, const Sampler& sampler) {
  const std::span<const TokenId> tokens = head.head_tokens();
  if (tokens.empty()) return {sampler, vocab};
  const std::vector<std::optional<TokenId>> columns(tokens.begin(), tokens.end());
  return {sampler, vocab, std::make_shared<const DraftColumns>(columns_of(columns))};
}

}  // namespace

std::unique_ptr<Drafter> make_head_drafter(const DraftHead& head, const DrafterContext& context,
                                           const std::string& owner, TreeShape shape) {
  DraftLaw law = law_of(head, context.target.info().vocab, draft_sampler(context, owner));
  return std::make_unique<HeadDrafter>(head, context, std::move(law), shape);
}

}  // namespace specdec
