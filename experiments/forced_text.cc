#include "experiments/forced_text.h"

#include <algorithm>

#include "core/batch.h"

namespace specdec {
namespace {

std::span<const TokenId> that_fits(const Model& model, std::span<const TokenId> text) {
  return text.first(std::min(text.size(), static_cast<std::size_t>(model.info().context)));
}

// Down the tree as long as it says what the text says; `text` begins with the anchor.
std::vector<int> path_along(const DraftTree& tree, std::span<const TokenId> text) {
  std::vector<int> path{0};
  for (int node = 1; node < tree.size(); ++node) {
    if (tree[node].parent == path.back() && tree[node].token == text[path.size()]) path.push_back(node);
  }
  return path;
}

StepRecord record_of(const DraftTree& tree, const std::vector<int>& path, const Output& out) {
  StepRecord record;
  record.position = tree.position(0);
  record.rows = tree.size();
  record.depth = tree.depth();
  for (int node = 0; node < tree.size(); ++node) record.parents.push_back(tree[node].parent);
  record.path = path;
  record.rejected = tree.has_children(path.back());
  record.routed.assign(out.routed.begin(), out.routed.end());
  return record;
}

}  // namespace

std::vector<StepRecord> forced_steps(const LoadedTarget& target, const LoadedDrafter& drafter,
                                     std::span<const TokenId> text, const Sampler& sampler, std::uint64_t seed) {
  text = that_fits(*target.model, text);
  std::vector<StepRecord> steps;
  const DrafterContext context{.target = *target.model,
                               .draft = drafter.model,
                               .head = drafter.head,
                               .bridge = drafter.bridge,
                               .tokenizer = target.tokenizer.get(),
                               .sampler = sampler,
                               .capacity = static_cast<int>(text.size()),
                               .options = {}};
  const std::unique_ptr<Drafter> guesses = make_drafter(drafter.spec, context);
  const auto state = target.model->new_state(static_cast<int>(text.size()));
  guesses->lend(*state);
  guesses->prompt_ends();
  Taps taps = guesses->needs();
  taps.logits = false;
  while (text.size() > static_cast<std::size_t>(state->length()) + 1) {
    const auto rest = text.subspan(static_cast<std::size_t>(state->length()));
    DraftTree tree(rest.front(), state->length());
    Budget budget = drafter.budget;
    const int room = static_cast<int>(rest.size()) - 2;
    budget.depth = std::min(budget.depth, room);
    budget.rows = std::min(budget.row_limit(), room);
    guesses->propose(tree, budget, Rng(seed));
    const Output out = target.model->forward(batch_of(tree), *state, taps);
    const std::vector<int> path = path_along(tree, rest);
    StepRecord& record = steps.emplace_back(record_of(tree, path, out));
    record.emitted.assign(rest.begin() + 1, rest.begin() + 1 + static_cast<std::ptrdiff_t>(path.size()));
    state->commit(path);
    guesses->observe({rest.first(path.size()), path, out.hidden});
  }
  return steps;
}

std::vector<StepRecord> reading_steps(const LoadedTarget& target, std::span<const TokenId> text) {
  constexpr std::size_t kRows = 256;
  text = that_fits(*target.model, text);
  const auto state = target.model->new_state(static_cast<int>(text.size()));
  std::vector<StepRecord> steps;
  while (!text.empty()) {
    const auto pass = text.first(std::min(kRows, text.size()));
    DraftTree chain(pass.front(), state->length());
    for (const TokenId token : pass.subspan(1)) chain.add(chain.size() - 1, token);
    const Output out = target.model->forward(chain_of(pass), *state, {.layers = {}, .logits = false});
    const std::vector<int> path = whole_chain(chain.size());
    steps.push_back(record_of(chain, path, out));
    state->commit(path);
    text = text.subspan(pass.size());
  }
  return steps;
}

}  // namespace specdec
