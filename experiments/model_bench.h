// What passes of one model cost on this machine, and what bounds them.
//   const ModelBench bench = bench_model(*target.model, tokens, {.widths = {1, 2, 4}}, engine);
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "core/model.h"
#include "experiments/limit.h"

namespace specdec {

struct ModelBenchOptions {
  std::vector<int> widths{1, 2, 4, 8, 16};
  std::vector<int> prefill_steps{16, 64, 256};
  double patience_s = 3;  // for the widths; the rest takes about as long. Every width has some rounds, however long
};

// A pass with the logits of all rows. Times are medians.
struct WidthCost {
  int width = 0;
  double s = 0;
  double one_token_s = 0;                 // if all rows are the same token, so that they wake about the experts of one
  double bytes = 0;                       // of weights that it reads
  double woken = 0;                       // distinct experts, mean of the layers that have any
  std::int64_t starts = 0, barriers = 0;  // of the threads: started, and waiting for one another
  LimitReport limit{};
};

struct PrefillCost {
  int step = 0;  // rows of a pass
  double tokens_per_s = 0;
};

struct PartCosts {
  int width = 0;
  double s = 0;  // of a pass, mean of those whose parts these are
  struct Part {
    std::string_view name;
    double s = 0, barriers = 0;
  };
  std::vector<Part> parts;  // means per pass, only those that the model has; they add up to a pass
};

struct ModelBench {
  std::vector<double> memory_bytes_per_s;  // [i]: read by i + 1 threads from a buffer larger than the caches
  LimitFacts machine{};                    // what all threads read from a buffer as large as the weights; one barrier
  int context = 0;                         // tokens that a measured pass looks back at
  int rounds = 0;                          // passes of each width, widths in turn
  std::vector<WidthCost> widths;
  int prompt = 0;  // tokens
  std::vector<PrefillCost> prefill;
  std::vector<PartCosts> parts;  // of the narrowest and of the widest pass
};

// `text`: the prompt for prefill; its last tokens are the rows of the passes. Throws UsageError if it is too short for
// the widths.
ModelBench bench_model(const Model& model, std::span<const TokenId> text, const ModelBenchOptions& options,
                       Engine& engine);

}  // namespace specdec
