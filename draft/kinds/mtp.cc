// The target's own multi-token-prediction layer (DeepSeek-V3, arXiv 2412.19437, section 2.2), chained for longer
// guesses. Its row for token t(i+1) takes the target's hidden state h(i). Guesses are fed with the state carried from
// the guess before; once judged, all of them are dropped and the accepted ones run again with the target's own states,
// because a cache of carried states drifts away from what the layer was trained on and acceptance decays.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "draft/cached.h"

namespace specdec {
namespace {

class Mtp : public CachedDrafter {
 public:
  Mtp(const DrafterContext& context, DraftLaw law)
      : CachedDrafter(context.target.mtp()->new_state(context.capacity), std::move(law), context.target.mtp()->bytes(),
                      context.target.info().experts_per_token),
        head_(*context.target.mtp()),
        hidden_(static_cast<std::size_t>(context.target.info().hidden)) {}

  Taps needs() const override {
    Taps taps;
    taps.layers = {-1};
    return taps;
  }

  void observe(const Final& seen) override {
    const std::size_t fed = seen.tokens.size() - not_yet_fed(seen.tokens).size();
    forget_pending({});
    if (outgrown()) return;
    for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
      if (i >= fed) wait(seen.tokens[i]);
      const auto row = row_span(seen.hidden.front(), seen.rows[i]);
      before_.assign(row.begin(), row.end());
    }
    feed_if_many();
  }

 private:
  bool wait(TokenId token) override {
    if (before_.empty()) return false;  // the first token of the text has no hidden state before it
    waiting_hidden_.insert(waiting_hidden_.end(), before_.begin(), before_.end());
    return CachedDrafter::wait(token);
  }

  Output look_at_final(const Batch& batch, HeadUse head) override {
    const std::size_t rows = batch.tokens.size();
    const Output out = run(batch, waiting_hidden_, head == HeadUse::read ? LogitRows::last : LogitRows::none);
    const auto last = row_span(out.hidden.front(), static_cast<Eigen::Index>(rows) - 1);
    carried_.assign(last.begin(), last.end());
    waiting_hidden_.erase(waiting_hidden_.begin(),
                          waiting_hidden_.begin() + static_cast<std::ptrdiff_t>(rows * hidden_));
    return out;
  }

  Output look_at_guesses(const Batch& batch, const DraftTree& tree, std::span<const int> nodes) override {
    std::vector<float> hidden;
    for (const int node : nodes) {
      const auto carried =
          carried_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(tree[node].parent) * hidden_);
      hidden.insert(hidden.end(), carried, carried + static_cast<std::ptrdiff_t>(hidden_));
    }
    const Output out = run(batch, hidden, LogitRows::all);
    carried_.resize(static_cast<std::size_t>(tree.size()) * hidden_);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto row = row_span(out.hidden.front(), static_cast<Eigen::Index>(i));
      std::copy(row.begin(), row.end(),
                carried_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(nodes[i]) * hidden_));
    }
    return out;
  }

  Output run(const Batch& batch, const std::vector<float>& hidden, LogitRows logits) {
    const auto rows = static_cast<Eigen::Index>(batch.tokens.size());
    const MatView states(hidden.data(), rows, static_cast<Eigen::Index>(hidden_));
    const Output out = head_.forward(batch, states, state(), logits);
    count(out, static_cast<int>(rows), logits == LogitRows::none ? HeadUse::skipped : HeadUse::read);
    return out;
  }

  const MtpHead& head_;
  std::size_t hidden_;                 // width of a hidden state
  std::vector<float> before_;          // the target's state of the last told token; empty before the first
  std::vector<float> waiting_hidden_;  // (waiting tokens, hidden)
  std::vector<float> carried_;         // (nodes, hidden): what the row of each node carries on; 0 is the anchor
};

DraftLaw law_of(const DrafterContext& context, const Sampler& sampler) {
  const int vocab = context.target.info().vocab;
  const std::span<const TokenId> ids = context.target.mtp()->head_tokens();
  if (ids.empty()) return {sampler, vocab};
  return {sampler, vocab, std::vector<std::optional<TokenId>>(ids.begin(), ids.end())};
}

}  // namespace

DrafterKind drafter_mtp() {
  return {"mtp", "the target's own multi-token-prediction layer", false, [](const DrafterContext& context) {
            if (context.target.mtp() == nullptr) {
              throw Error("drafter mtp: {} has no multi-token-prediction layer; use a draft model: small:PATH",
                          context.target.info().path);
            }
            const Sampler sampler = draft_sampler(context, "drafter mtp");
            return std::unique_ptr<Drafter>(std::make_unique<Mtp>(context, law_of(context, sampler)));
          }};
}

}  // namespace specdec
