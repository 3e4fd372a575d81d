// What a model says at the end of a long text, read in passes of any width.
#pragma once

#include <algorithm>
#include <vector>

#include "core/batch.h"
#include "core/model.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {

// Logits after a long text, prefilled `step` rows at a time, then seen by a tree of which the last row follows row 1.
inline std::vector<float> logits_after(const Model& model, int tokens, int step, const Batch& tree) {
  const auto state = model.new_state(tokens + 8);
  for (int at = 0; at < tokens; at += step) {
    std::vector<TokenId> part;
    for (int i = at; i < std::min(at + step, tokens); ++i) part.push_back(TokenId{i * 31 % kTinyVocab});
    model.forward(chain_of(part), *state, {.layers = {}, .logits = false});
    state->commit(whole_chain(static_cast<int>(part.size())));
  }
  const Output out = model.forward(tree, *state, {});
  const auto last = out.logits.row(out.logits.rows() - 1);
  return {last.data(), last.data() + last.size()};
}

}  // namespace specdec
