// Feed-forward blocks: one SwiGLU, or many routed experts of which each row uses a few.
#pragma once

#include "core/blocks/block.h"
#include "core/blocks/swiglu.h"
#include "core/experts.h"
#include "core/weights.h"

namespace specdec {

inline constexpr int kMostGroups = 64;

// How a checkpoint calls the parts of a mixture, below its path.
struct MoeNames {
  std::string router = "gate", experts = "experts", gate = "gate_proj", up = "up_proj", down = "down_proj",
              shared = "shared_experts";
};

struct MoeSpec {
  int experts = 0;
  int experts_per_token = 0;
  int width = 0;          // of a routed expert
  int latent = 0;         // width of what experts read and say (Nemotron 3); 0 = hidden
  int shared_width = 0;   // of the shared expert; 0 = none
  bool sigmoid = false;   // scores by sigmoid with a correction bias for the choice (DeepSeek-V3), else softmax
  bool normalise = true;  // the chosen weights are divided by their sum
  float scaling = 1;      // of the chosen weights
  int groups = 1, groups_kept = 1;
  int group_scored_by = 2;  // a group's score is the sum of so many of its best
  bool router_bias = false;
  bool expert_bias = false;
  bool alternating = false;  // fused gates and ups alternate, and fused floats are stored input by input (gpt-oss)
  bool biased = false;       // the shared expert, and the maps into the latent width and out of it
  bool shared_gate = false;  // what the shared expert says is multiplied by sigmoid(shared_expert_gate x)
  Activation activation = Activation::silu;
  float limit = 0, alpha = 0;  // of Activation::clamped
  MoeNames names{};
  int experts_per_pass = 0;  // of a pass of several rows; 0 = all that its rows choose

  bool gated() const { return activation != Activation::relu2; }
};

// Between the residual stream and the width of experts.
struct LatentMaps {
  Weight in, out;
  std::vector<float> in_bias, out_bias;  // empty if there are none
};

struct Moe {
  Weight router;
  std::vector<float> router_bias;  // (experts), of the scores before they are softened; empty: none
  std::vector<float> correction;   // (experts), added to the scores for the choice only
  std::vector<Swiglu> experts;     // packed when the store says so
  ExpertStore* store = nullptr;
  int first_in_store = 0;     // the number that the store knows the first of them by
  int layer = 0;              // that it knows them by
  const Moe* next = nullptr;  // of the next layer that has one; for a store that looks ahead
  std::optional<Swiglu> shared;
  std::optional<Weight> shared_gate;  // (1, hidden)
  std::optional<LatentMaps> latent;
};

inline constexpr int kNoExpert = -1;

// Which experts each row takes.
struct Routes {
  const int* chosen;           // (rows, experts per token), ascending in each row but for kNoExpert
  const float* chosen_weight;  // the same: what their results are multiplied by
};

// Experts one by one (experts.E.gate_proj), stacked by MLX (switch_mlp.gate_proj, .fc1, or of gpt-oss
// experts.gate_proj) or fused (experts.gate_up_proj).
// layer: that the store knows them by.
Moe load_moe(WeightFile& file, ExpertStore& store, int layer, const std::string& path, const MoeSpec& spec, int hidden);

// x (rows, hidden) += feed_forward(normed), each row times its share if there are shares.
void feed_forward(const Engine& engine, const Swiglu& weights, const float* normed, std::int64_t rows, int hidden,
                  PassBuffers& buffers, float* x, const float* shares = nullptr);
// The same through the experts that the router chooses; an expert that several rows chose is read once. Appends to
// PassBuffers::routed.
void feed_forward(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const float* normed,
                  std::int64_t rows, int hidden, PassBuffers& buffers, float* x);
// The same through the experts of `routes`, whoever chose them.
void apply_experts(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const Routes& routes,
                   const float* normed, std::int64_t rows, int hidden, PassBuffers& buffers, float* x);

class DenseBlock : public Block {
 public:
  explicit DenseBlock(Swiglu weights) : weights_(std::move(weights)) {}
  void add(const Pass& pass, int layer, const float* normed, float* x) const override;

 private:
  Swiglu weights_;
};

// By the spec of the pass, which may take fewer experts than the model does.
class MoeBlock : public Block {
 public:
  explicit MoeBlock(Moe weights) : weights_(std::move(weights)) {}
  void add(const Pass& pass, int layer, const float* normed, float* x) const override;
  Moe* experts() override { return &weights_; }

 private:
  Moe weights_;
};

}  // namespace specdec
