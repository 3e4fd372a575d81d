// What passes of a model cost: timed one by one, so that a caller can interleave what it compares.
//   PassMeter meter(*model, context, 16);
//   const PassCost one = meter.pass({tokens, 1});
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/model.h"

namespace specdec {

struct PassCost {
  double s = 0;
  std::int64_t bytes = 0;  // of weights that it read
  std::int64_t woken = 0;  // distinct experts, summed over the layers
};

class PassMeter {
 public:
  // Passes look back at `context`; they have at most `most_rows` rows. The model outlives the meter.
  PassMeter(const Model& model, std::span<const TokenId> context, int most_rows);

  // A chain of these tokens after the context, with the logits of all rows; then forgotten.
  PassCost pass(std::span<const TokenId> rows);

 private:
  const Model& model_;
  std::unique_ptr<State> state_;
};

// Time of reading a prompt into an empty state, in passes of `step` rows; no logits but the last row's.
double prefill_s(const Model& model, std::span<const TokenId> prompt, int step);

std::vector<TokenId> random_tokens(const Model& model, int count, std::uint64_t seed);

}  // namespace specdec
