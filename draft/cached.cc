#include "draft/cached.h"

#include <algorithm>
#include <utility>

#include "core/batch.h"
#include "core/error.h"
#include "draft/options.h"

namespace specdec {
namespace {

constexpr std::size_t kRowsPerPass = 64;  // of final tokens: bounds what waits during a long prefill

}  // namespace

Sampler draft_sampler(const DrafterContext& context, const std::string& owner) {
  Sampler sampler = context.sampler;
  Options options(context.options, owner);
  sampler.temperature = options.number("temperature", sampler.temperature, 0.0, 100.0);
  options.refuse_unknown();
  return sampler;
}

CachedDrafter::CachedDrafter(std::unique_ptr<State> state, DraftLaw law, const WeightBytes& weights,
                             int experts_per_token)
    : state_(std::move(state)), law_(std::move(law)), weights_(weights), experts_per_token_(experts_per_token) {}

bool CachedDrafter::wait(TokenId token) {
  waiting_.push_back(token);
  return true;
}

std::span<const TokenId> CachedDrafter::not_yet_fed(std::span<const TokenId> told) {
  return told.subspan(std::exchange(anchor_is_fed_, false) ? 1 : 0);
}

void CachedDrafter::forget_pending(std::span<const int> path) {
  state_->commit(path);
  pending_ = {};
}

bool CachedDrafter::room_for(std::size_t rows) const {
  return static_cast<std::size_t>(state_->length()) + rows <= static_cast<std::size_t>(state_->capacity());
}

void CachedDrafter::feed_if_many() {
  if (outgrown_ || !room_for(waiting_.size())) {
    outgrown_ = true;
    waiting_.clear();
  } else if (waiting_.size() >= kRowsPerPass) {
    feed(HeadUse::skipped);
  }
}

void CachedDrafter::count(const Output& out, int rows, HeadUse head) {
  cost_.passes += 1;
  cost_.rows += rows;
  cost_.bytes += bytes_of_pass(weights_, rows, woken_experts(out.routed), head);
}

void CachedDrafter::prompt_ends() { feed(HeadUse::skipped); }

std::span<const float> CachedDrafter::feed(HeadUse head) {
  std::span<const float> logits;
  for (std::size_t fed = 0; fed < waiting_.size();) {
    const std::size_t rows = std::min(kRowsPerPass, waiting_.size() - fed);
    const bool last = fed + rows == waiting_.size();
    const Batch batch = chain_of(std::span(waiting_).subspan(fed, rows));
    const Output out = look_at_final(batch, last ? head : HeadUse::skipped);
    state_->commit(whole_chain(static_cast<int>(rows)));
    if (last && head == HeadUse::read) logits = row_span(out.logits, out.logits.rows() - 1);
    fed += rows;
  }
  waiting_.clear();
  return logits;
}

MatView CachedDrafter::look(const DraftTree& tree, std::span<const int> nodes) {
  if (nodes.front() == 0) {
    const std::span<const float> logits = feed(HeadUse::read);
    return {logits.data(), 1, static_cast<Eigen::Index>(logits.size())};
  }
  Batch batch;
  for (const int node : nodes) {
    const int parent = tree[node].parent;
    batch.tokens.push_back(tree[node].token);
    batch.parents.push_back(parent == 0 ? -1 : row_of_node_[static_cast<std::size_t>(parent)]);
  }
  row_of_node_.resize(static_cast<std::size_t>(tree.size()), -1);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    row_of_node_[static_cast<std::size_t>(nodes[i])] = static_cast<int>(pending_.tokens.size() + i);
  }
  pending_.tokens.insert(pending_.tokens.end(), batch.tokens.begin(), batch.tokens.end());
  pending_.parents.insert(pending_.parents.end(), batch.parents.begin(), batch.parents.end());
  return look_at_guesses(batch, tree, nodes).logits;
}

void CachedDrafter::propose(DraftTree& tree, const Budget& budget, const Rng& rng) {
  SPECDEC_ASSERT(state_->pending() == 0 && !anchor_is_fed_);
  if (budget.depth == 0 || outgrown_ || !room_for(waiting_.size() + 1) || !wait(tree[0].token)) return;
  anchor_is_fed_ = true;
  row_of_node_.clear();
  Budget limited = budget;  // the last guess is not fed
  const auto used = static_cast<std::size_t>(state_->length()) + waiting_.size();
  limited.rows = std::min(budget.row_limit(), state_->capacity() - static_cast<int>(used) + 1);
  grow(tree, limited, rng, law_, [&](std::span<const int> nodes) { return look(tree, nodes); });
}

}  // namespace specdec
