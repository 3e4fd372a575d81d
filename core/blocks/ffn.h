// Feed-forward blocks: one SwiGLU, or many routed experts of which each row uses a few.
#pragma once

#include "core/blocks/kv_state.h"
#include "core/experts.h"
#include "core/weights.h"

namespace specdec {

inline constexpr int kMostGroups = 64;

struct MoeSpec {
  int experts = 0;
  int experts_per_token = 0;
  int width = 0;          // of a routed expert
  int shared_width = 0;   // of the shared expert; 0 = none
  bool gated = true;      // routed experts are SwiGLU, else without a gate
  bool sigmoid = false;   // scores by sigmoid with a correction bias for the choice (DeepSeek-V3), else softmax
  bool normalise = true;  // the chosen weights are divided by their sum
  float scaling = 1;      // of the chosen weights
  int groups = 1, groups_kept = 1;
  int experts_per_pass = 0;  // of a pass of several rows; 0 = all that its rows choose
};

struct Moe {
  Weight router;
  std::vector<float> correction;  // (experts), added to the scores for the choice only
  std::vector<Swiglu> experts;    // packed when the store says so
  ExpertStore* store = nullptr;
  int first_in_store = 0;     // the number that the store knows the first of them by
  int layer = 0;              // that it knows them by
  const Moe* next = nullptr;  // of the next layer that has one; for a store that looks ahead
  std::optional<Swiglu> shared;
};

inline constexpr int kNoExpert = -1;

// Which experts each row takes.
struct Routes {
  const int* chosen;           // (rows, experts per token), ascending in each row but for kNoExpert
  const float* chosen_weight;  // the same: what their results are multiplied by
};

// Experts one by one (experts.E.gate_proj), stacked by MLX (switch_mlp.gate_proj) or fused (experts.gate_up_proj).
// layer: that the store knows them by.
Moe load_moe(WeightFile& file, ExpertStore& store, int layer, const std::string& path, const MoeSpec& spec, int hidden);

// x (rows, hidden) += feed_forward(normed).
void feed_forward(const Engine& engine, const Swiglu& weights, const float* normed, std::int64_t rows, int hidden,
                  PassBuffers& buffers, float* x);
// The same through the experts that the router chooses; an expert that several rows chose is read once. Appends to
// PassBuffers::routed.
void feed_forward(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const float* normed,
                  std::int64_t rows, int hidden, PassBuffers& buffers, float* x);
// The same through the experts of `routes`, whoever chose them.
void apply_experts(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const Routes& routes,
                   const float* normed, std::int64_t rows, int hidden, PassBuffers& buffers, float* x);

}  // namespace specdec
