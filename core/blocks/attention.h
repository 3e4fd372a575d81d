// Grouped-query attention (Ainslie et al., arXiv 2305.13245) with optional biases and per-head q/k norms.
#pragma once

#include <optional>

#include "core/blocks/kv_state.h"
#include "core/blocks/rope.h"
#include "core/weights.h"

namespace specdec {

struct AttentionSpec {
  int heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, output_bias = false, qk_norm = false;
  float eps = 1e-6f;
  Rope rope;
  std::int64_t kv_size() const { return static_cast<std::int64_t>(kv_heads) * head_dim; }
  std::int64_t q_size() const { return static_cast<std::int64_t>(heads) * head_dim; }
};

struct Attention {
  Weight q, k, v, o;
  std::vector<float> q_bias, k_bias, v_bias, o_bias;  // empty if the architecture has none
  std::vector<float> q_norm, k_norm;                  // (head_dim)
};

// Tensors of `path`, e.g. "model.layers.0.self_attn". read: width of what it attends with, if not hidden.
Attention load_attention(WeightFile& file, const std::string& path, const AttentionSpec& spec, int hidden,
                         std::optional<int> read = {});

// out (rows, hidden) += attention(normed (rows, weights.q.in)). Fills the rows' keys and values of `layer`.
// PassBuffers::cosines and sines hold (rows, rope dims / 2).
void attend(const Engine& engine, const AttentionSpec& spec, const Attention& weights, int layer, const float* normed,
            std::span<const RowView> rows, int hidden, KvState& state, float* out);

}  // namespace specdec
