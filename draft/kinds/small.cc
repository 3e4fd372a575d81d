// A smaller model of the same vocabulary guesses (Leviathan et al. 2023, arXiv 2211.17192). Its State keeps the rows of
// the guesses that were accepted; the last guess was not fed yet and follows with the next pass.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "draft/cached.h"

namespace specdec {
namespace {

class Small : public CachedDrafter {
 public:
  Small(const DrafterContext& context, DraftLaw law)
      : CachedDrafter(context.draft->new_state(std::min(context.capacity, context.draft->info().context)),
                      std::move(law), context.draft->bytes(), context.draft->info().experts_per_token),
        model_(context.draft) {}

  void observe(const Final& seen) override {
    std::span<const TokenId> tokens = not_yet_fed(seen.tokens);
    std::vector<int> path;
    for (int row = -1; !tokens.empty() && (row = pending_row(row, tokens.front())) >= 0; tokens = tokens.subspan(1)) {
      path.push_back(row);
    }
    forget_pending(path);
    if (outgrown()) return;
    for (const TokenId token : tokens) wait(token);
    feed_if_many();
  }

 private:
  Output look_at_final(const Batch& batch, HeadUse head) override {
    Taps taps;
    taps.logits = head == HeadUse::read;
    return run(batch, taps);
  }
  Output look_at_guesses(const Batch& batch, const DraftTree&, std::span<const int>) override { return run(batch, {}); }

  Output run(Batch batch, const Taps& taps) {
    for (TokenId& token : batch.tokens) token = readable(token);
    const Output out = model_->forward(batch, state(), taps);
    count(out, static_cast<int>(batch.tokens.size()), taps.logits ? HeadUse::read : HeadUse::skipped);
    return out;
  }

  // A padding id of a larger target vocabulary reads as the end of a text: that costs acceptance, never correctness.
  TokenId readable(TokenId token) const {
    if (index(token) < model_->info().vocab) return token;
    return model_->info().eos.empty() ? TokenId{0} : model_->info().eos.front();
  }

  int pending_row(int parent, TokenId token) const {
    for (std::size_t row = 0; row < pending().tokens.size(); ++row) {
      if (pending().parents[row] == parent && pending().tokens[row] == token) return static_cast<int>(row);
    }
    return -1;
  }

  std::shared_ptr<const Model> model_;
};

DraftLaw law_of(const DrafterContext& context, const Sampler& sampler) {
  const int vocab = context.target.info().vocab;
  if (context.to_target.empty()) return {sampler, vocab};
  bool shared = false;
  for (std::size_t id = 0; id < context.to_target.size(); ++id) {
    const auto& token = context.to_target[id];
    if (token && index(*token) != static_cast<std::int32_t>(id)) {
      throw Error(
          "drafter small: token {} of {} is token {} of {}: their vocabularies differ, and the bridge between two "
          "vocabularies comes later; use a draft model with the target's tokenizer",
          id, context.draft->info().path, index(*token), context.target.info().path);
    }
    shared = shared || (token && index(*token) < vocab);
  }
  if (!shared) {
    throw Error("drafter small: {} and {} have no token in common; use a draft model with the target's tokenizer",
                context.draft->info().path, context.target.info().path);
  }
  return {sampler, vocab, context.to_target};
}

}  // namespace

DrafterKind drafter_small() {
  return {"small", "a smaller model with the same vocabulary", true, [](const DrafterContext& context) {
            const Sampler sampler = draft_sampler(context, "drafter small");
            return std::unique_ptr<Drafter>(std::make_unique<Small>(context, law_of(context, sampler)));
          }};
}

}  // namespace specdec
