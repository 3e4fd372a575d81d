#include "experiments/pass_meter.h"

#include <algorithm>

#include "core/batch.h"
#include "core/rng.h"
#include "core/traffic.h"
#include "experiments/machine.h"

namespace specdec {

PassMeter::PassMeter(const Model& model, std::span<const TokenId> context, int most_rows)
    : model_(model), state_(model.new_state(static_cast<int>(context.size()) + most_rows)) {
  model.forward(chain_of(context), *state_, {.layers = {}, .logits = false});
  state_->commit(whole_chain(static_cast<int>(context.size())));
}

PassCost PassMeter::pass(std::span<const TokenId> rows) {
  const Batch batch = chain_of(rows);
  const auto begin = std::chrono::steady_clock::now();
  const Output out = model_.forward(batch, *state_, {});
  PassCost cost{.s = seconds_since(begin)};
  const auto woken = woken_experts(out.routed);
  cost.bytes = bytes_of_pass(model_.bytes(), static_cast<int>(rows.size()), woken);
  cost.woken = static_cast<std::int64_t>(woken.size());
  state_->commit({});
  return cost;
}

double prefill_s(const Model& model, std::span<const TokenId> prompt, int step) {
  const auto state = model.new_state(static_cast<int>(prompt.size()));
  const auto begin = std::chrono::steady_clock::now();
  for (std::span<const TokenId> rest = prompt.first(prompt.size() - 1); !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), static_cast<std::size_t>(step)));
    model.forward(chain_of(part), *state, {.layers = {}, .logits = false});
    state->commit(whole_chain(static_cast<int>(part.size())));
    rest = rest.subspan(part.size());
  }
  model.forward(chain_of(prompt.last(1)), *state, {});
  return seconds_since(begin);
}

std::vector<TokenId> random_tokens(const Model& model, int count, std::uint64_t seed) {
  const Rng rng(seed);
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(
        TokenId{static_cast<std::int32_t>(rng.uniform(static_cast<std::uint64_t>(i)) * model.info().vocab)});
  }
  return tokens;
}

}  // namespace specdec
