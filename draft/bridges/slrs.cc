// String-level rejection sampling (Timor et al. 2025, arXiv 2502.05202, algorithm 3) with its sum cut short. The
// paper's psi(t) adds up every sequence of draft ids whose text begins with t; here the sequences are those that go on
// from the draft's surest one, an id at a time, for as long as its text may still be the beginning of a longer token.
// Each of them counts for the token that its text begins with. A guess is drawn from exactly this law, so any rule for
// q is lossless.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/distribution.h"
#include "draft/draft_text.h"
#include "draft/grow.h"

namespace specdec {
namespace {

constexpr int kMostSteps = 4;         // ids of the draft that one guess looks ahead
constexpr double kLeastShare = 1e-4;  // of an id after others, to see what token it makes; rarer ones change none

// Where the drafter stands: a row of its model, the text from the anchor up to it, and the logits there.
struct Place {
  int row = -1;
  std::string text;
  std::vector<float> logits;
};

class Slrs : public Bridge {
 public:
  explicit Slrs(const BridgeSides& sides)
      : Bridge("slrs"),
        target_rows_(sides.target.rows),
        draft_rows_(sides.draft.rows),
        map_(*sides.map),
        texts_{Continuation(*sides.target.tokenizer, sides.target.rows),
               Continuation(*sides.draft.tokenizer, sides.draft.rows)} {
    const Vocabulary& target = sides.target.tokenizer->vocabulary();
    for (int id = 0; id < target.size(); ++id) {
      if (target[TokenId{id}].kind == PieceKind::text) spellings_.push_back(target[TokenId{id}].bytes);
    }
    std::ranges::sort(spellings_);
    alone_.resize(static_cast<std::size_t>(draft_rows_));
    for (int id = 0; id < draft_rows_; ++id) alone_[static_cast<std::size_t>(id)] = token_of("", DraftId{id});
  }

  std::optional<DraftId> id(TokenId token) const override {
    const auto own = map_.to_draft(token);
    return own && index(*own) < draft_rows_ ? own : std::nullopt;
  }
  const BridgeTexts* texts() const override { return &texts_; }
  bool draws() const override { return true; }

  void guess(DraftTree& tree, const Budget& budget, const Rng& rng, const BridgeView& view) const override {
    Walk walk{view, view.draft_rows, 0, {}};
    walk.path.push_back(walk.look({}, -1, ""));
    const int wanted = std::min(budget.depth, budget.row_limit());
    for (int node = 0; tree[node].depth < wanted;) {
      if (budget.policy && !budget.policy->extend(tree, node, budget)) return;
      std::vector<float> weights = law_after(walk);
      if (std::ranges::all_of(weights, [](float weight) { return weight == 0; })) return;
      TokenId token{static_cast<std::int32_t>(std::ranges::max_element(weights) - weights.begin())};
      Distribution law(std::move(weights));
      if (budget.policy && budget.policy->reads_confidence()) {
        Outlook outlook = outlook_of(law);
        outlook.certain = view.sampler.temperature == 0;
        if (!budget.policy->adds(tree, node, outlook, budget)) return;
      }
      std::optional<Distribution> q;
      if (view.sampler.temperature > 0) {
        token = law.sample(rng.fork(static_cast<std::uint64_t>(tree.position(node)) + 1).uniform(0));
        q = law;
      }
      node = tree.add(node, token, std::move(q), law[token]);
      if (tree[node].depth < wanted && !go_on(walk, token)) return;
    }
  }

 private:
  // path: from where the next guess begins, along the surest ids.
  struct Walk {
    const BridgeView& view;
    int rows_left;
    int next_row;
    std::vector<Place> path;

    Place look(const std::vector<DraftId>& ids, int after, std::string text) {
      DraftRows rows;
      for (const DraftId id : ids) {
        rows.add(id, after);
        after = next_row++;
      }
      rows_left -= static_cast<int>(ids.size());
      const MatView logits = view.look(rows);
      const auto last = row_span(logits, logits.rows() - 1);
      return {after, std::move(text), {last.begin(), last.end()}};
    }
  };

  std::optional<std::string_view> text_of(DraftId id) const { return texts_.draft.bytes(TokenId{index(id)}); }

  // The token that `before` and the id's text begin with.
  std::optional<TokenId> token_of(std::string_view before, DraftId id) const {
    const auto text = text_of(id);
    std::optional<TokenId> token;
    if (text) {
      token = texts_.target.first(std::string(before) + std::string(*text));
    } else {
      token = before.empty() ? map_.to_target(id) : texts_.target.first(before);
    }
    return token && index(*token) < target_rows_ ? token : std::nullopt;
  }

  bool may_grow(std::string_view text) const {
    const auto next = std::ranges::upper_bound(spellings_, text);
    return next != spellings_.end() && next->starts_with(text);
  }

  // Weights of the target's tokens; those that no sequence makes have none.
  std::vector<float> law_after(Walk& walk) const {
    Sampler sampler = walk.view.sampler;
    if (sampler.temperature == 0) sampler = {.temperature = 1};
    const std::size_t begin = walk.path.front().text.size();
    std::vector<float> weights(static_cast<std::size_t>(target_rows_));
    double share = 1;
    for (std::size_t step = 0;; ++step) {
      const std::string before = walk.path[step].text.substr(begin);
      const DraftId surest{argmax(walk.path[step].logits)};
      const auto surest_text = text_of(surest);
      const std::string longer = surest_text ? before + std::string(*surest_text) : "";
      const bool goes_on = step + 1 < walk.path.size() ||
                           (step + 1 < kMostSteps && walk.rows_left > 0 && surest_text && may_grow(longer));
      const Distribution q = sampler.distribution(walk.path[step].logits);
      const auto rare = before.empty() ? std::nullopt : texts_.target.first(before);
      for (int id = 0; id < draft_rows_; ++id) {
        const double part = share * q[TokenId{id}];  // the sampler knows no vocabulary
        if (part == 0 || (goes_on && DraftId{id} == surest)) continue;
        const auto token = before.empty()        ? alone_[static_cast<std::size_t>(id)]
                           : part >= kLeastShare ? token_of(before, DraftId{id})
                                                 : rare;
        if (token) weights[static_cast<std::size_t>(index(*token))] += static_cast<float>(part);
      }
      if (!goes_on) return weights;
      share *= q[TokenId{index(surest)}];
      if (step + 1 == walk.path.size()) {
        walk.path.push_back(walk.look({surest}, walk.path[step].row, walk.path.front().text + longer));
      }
    }
  }

  // To where `token` ends: along the path as far as it says the same. False if no id says it, or there is no room.
  bool go_on(Walk& walk, TokenId token) const {
    const Vocabulary& target = texts_.target.tokenizer().vocabulary();
    if (!target.holds(token) || target[token].kind == PieceKind::special) return false;
    const std::string text = walk.path.front().text + target[token].bytes;
    const auto there = std::ranges::find(walk.path, text, &Place::text);
    if (there != walk.path.end()) {
      walk.path.erase(walk.path.begin(), there);
      return true;
    }
    std::vector<DraftId> ids;
    if (const auto own = id(token)) {
      ids = {*own};
    } else if (const auto cut =
                   texts_.draft.after(walk.view.text.recent() + walk.path.front().text, target[token].bytes)) {
      ids = draft_ids_of(*cut);
    }
    if (ids.empty() || static_cast<int>(ids.size()) > walk.rows_left) return false;
    Place place = walk.look(ids, walk.path.front().row, text);
    walk.path.assign(1, std::move(place));
    return true;
  }

  int target_rows_, draft_rows_;
  VocabMap map_;
  BridgeTexts texts_;
  std::vector<std::string_view> spellings_;    // of the target's pieces of text, sorted
  std::vector<std::optional<TokenId>> alone_;  // the token that each draft id's text begins with
};

}  // namespace

BridgeKind bridge_slrs() {
  return {"slrs",
          "the draft's text, guessed with the law of what it begins with",
          false,
          false,
          [](const BridgeSides& sides) -> std::string { return sides.map ? "" : "one of them has no tokenizer"; },
          [](const BridgeSides& sides) -> std::unique_ptr<Bridge> { return std::make_unique<Slrs>(sides); }};
}

}  // namespace specdec
