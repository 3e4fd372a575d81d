#include "draft/target_drafter.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/traffic.h"

namespace specdec {

MatView TargetDrafter::look(const DraftTree& tree, std::span<const int> nodes) {
  row_of_node_.resize(static_cast<std::size_t>(tree.size()), -1);
  Batch batch;
  int row = state_->pending();
  for (const int node : nodes) {
    const int parent = tree[node].parent;
    batch.tokens.push_back(tree[node].token);
    batch.parents.push_back(parent < 0 ? -1 : row_of_node_[static_cast<std::size_t>(parent)]);
    row_of_node_[static_cast<std::size_t>(node)] = row++;
  }
  const Output out = model_.forward(batch, *state_, {});
  const int rows = static_cast<int>(nodes.size());
  work_.passes += 1;
  work_.rows += rows;
  work_.bytes += bytes_of_pass(model_.bytes(), rows, woken_experts(out.routed));
  return out.logits;
}

void TargetDrafter::propose(DraftTree& tree, const Budget& budget, const Rng& rng) {
  SPECDEC_ASSERT(state_ != nullptr && state_->pending() == 0);
  Budget limited = budget;
  // Of the anchor and all guesses but the last one.
  limited.rows = std::min(budget.row_limit(), state_->capacity() - state_->length());
  limited.width = std::min(budget.width, model_.info().vocab - 1);
  if (limited.rows < 1 || limited.width < 1) return;
  row_of_node_.clear();
  grow(tree, limited, rng, law_,
       [&](std::span<const int> nodes) { return judged(tree, nodes, look(tree, nodes), rng); });
  state_->commit({});
}

namespace {

class Foresight : public TargetDrafter {
 public:
  Foresight(const Model& target, const Sampler& sampler, double right)
      : TargetDrafter(target, DraftLaw(sampler, target.info().vocab)), right_(right) {}

 private:
  MatView judged(const DraftTree& tree, std::span<const int> nodes, const MatView& logits, const Rng& rng) override {
    if (right_ == 1) return logits;
    judged_.assign(logits.data(), logits.data() + logits.size());
    const auto columns = static_cast<std::size_t>(logits.cols());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto position = static_cast<std::uint64_t>(tree.position(nodes[i]));
      if (rng.fork(kRightOrWrong).fork(position).uniform(i) >= right_) {
        turn_round(std::span(judged_).subspan(i * columns, columns));
      }
    }
    return {judged_.data(), logits.rows(), logits.cols()};
  }

  // The least likely becomes the likeliest; what the target would take if it is greedy never comes.
  static void turn_round(std::span<float> logits) {
    constexpr float kLeast = std::numeric_limits<float>::lowest();
    const auto likeliest = static_cast<std::size_t>(argmax(logits));
    for (float& logit : logits) logit = -std::max(logit, kLeast);
    logits[likeliest] = -std::numeric_limits<float>::infinity();
  }

  static constexpr std::uint64_t kRightOrWrong = ~std::uint64_t{0};  // a stream that no position has
  double right_;
  std::vector<float> judged_;  // (nodes, vocab)
};

}  // namespace

std::unique_ptr<Drafter> make_foresight(const DrafterContext& context, const Sampler& sampler, double right) {
  return std::make_unique<Foresight>(context.target, sampler, right);
}

}  // namespace specdec
