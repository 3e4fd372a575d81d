#include "draft/cached.h"

#include <algorithm>
#include <utility>

#include "core/batch.h"
#include "core/error.h"
#include "draft/options.h"

namespace specdec {
namespace {

constexpr std::size_t kRowsPerPass = 64;  // of final tokens: bounds what waits during a long prefill

DraftRows chain_of(std::span<const DraftId> tokens) {
  DraftRows rows;
  for (const DraftId token : tokens) rows.add(token, static_cast<int>(rows.tokens.size()) - 1);
  return rows;
}

}  // namespace

Sampler draft_sampler(const DrafterContext& context, const std::string& owner) {
  Sampler sampler = context.sampler;
  Options options(context.options, owner);
  sampler.temperature = options.number("temperature", sampler.temperature, 0.0, 100.0);
  options.refuse_unknown(context.elsewhere);
  return sampler;
}

CachedDrafter::CachedDrafter(std::unique_ptr<State> state, const WeightBytes& weights, int experts_per_token)
    : state_(std::move(state)), weights_(weights), experts_per_token_(experts_per_token) {}

std::span<const TokenId> CachedDrafter::not_yet_told(std::span<const TokenId> final_tokens) {
  return final_tokens.subspan(std::exchange(anchor_is_told_, false) ? 1 : 0);
}

void CachedDrafter::keep_what_waits() {
  std::vector<int> path;
  for (int parent = -1; path.size() < waiting_.size(); parent = path.back()) {
    const auto is_next = [&](std::size_t row) {
      return pending_.parents[row] == parent && pending_.tokens[row] == waiting_[path.size()];
    };
    std::size_t row = 0;
    while (row < pending_.tokens.size() && !is_next(row)) ++row;
    if (row == pending_.tokens.size()) break;
    path.push_back(static_cast<int>(row));
  }
  state_->commit(path);
  pending_ = {};
  loose_.clear();
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(path.size()));
}

bool CachedDrafter::room_for(std::size_t rows) const {
  return static_cast<std::size_t>(state_->length()) + rows <= static_cast<std::size_t>(state_->capacity());
}

int CachedDrafter::room() const {
  return state_->capacity() - state_->length() - static_cast<int>(waiting_.size() + loose_.size());
}

void CachedDrafter::feed_if_many() {
  if (outgrown_ || !room_for(waiting_.size())) {
    outgrown_ = true;
    waiting_.clear();
  }
  while (waiting_.size() >= kRowsPerPass) feed(kRowsPerPass);
}

void CachedDrafter::count(const Output& out, int rows, HeadUse head, std::int64_t not_read) {
  cost_.passes += 1;
  cost_.rows += rows;
  cost_.bytes += bytes_of_pass(weights_, rows, woken_experts(out.routed), head) - not_read;
}

void CachedDrafter::prompt_ends() {
  feed_if_many();
  if (!waiting_.empty()) feed(waiting_.size());
}

void CachedDrafter::feed(std::size_t rows) {
  look_at_final(chain_of(std::span(waiting_).first(rows)), HeadUse::skipped);
  state_->commit(whole_chain(static_cast<int>(rows)));
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(rows));
}

MatView CachedDrafter::look_after_text() {
  pending_ = chain_of(waiting_);
  for (const DraftId token : loose_) pending_.add(token, static_cast<int>(pending_.tokens.size()) - 1);
  text_rows_ = static_cast<int>(pending_.tokens.size());
  const MatView logits = look_at_final(pending_, HeadUse::read).logits;
  return {logits.data() + (logits.rows() - 1) * logits.cols(), 1, logits.cols()};
}

MatView CachedDrafter::look(const DraftRows& guesses) {
  if (guesses.tokens.empty()) return look_after_text();
  DraftRows rows = guesses;
  for (int& parent : rows.parents) parent += text_rows_;  // -1, the text, is its last row
  pending_.tokens.insert(pending_.tokens.end(), rows.tokens.begin(), rows.tokens.end());
  pending_.parents.insert(pending_.parents.end(), rows.parents.begin(), rows.parents.end());
  return look_at_guesses(rows).logits;
}

void CachedDrafter::propose(DraftTree& tree, const Budget& budget, const Rng& rng) {
  SPECDEC_ASSERT(state_->pending() == 0 && !anchor_is_told_);
  if (budget.depth == 0 || outgrown_) return;
  const Anchor anchor = tell_anchor(tree[0].token);
  anchor_is_told_ = anchor != Anchor::refused;
  const std::size_t rows = waiting_.size() + loose_.size();
  if (anchor != Anchor::told || rows == 0 || !room_for(rows)) return;
  while (waiting_.size() > kRowsPerPass) feed(kRowsPerPass);
  Budget limited = budget;
  limited.rows = std::min(budget.row_limit(), room() + 1);  // the last guess is not fed
  guess(tree, limited, rng, [&](const DraftRows& guesses) { return look(guesses); });
}

}  // namespace specdec
