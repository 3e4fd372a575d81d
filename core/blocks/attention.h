// Grouped-query attention (Ainslie et al., arXiv 2305.13245) with what architectures add to it: biases, norms of
// queries and keys, a sliding window, sinks, a gate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/blocks/block.h"
#include "core/weights.h"

namespace specdec {

struct AttentionSpec {
  enum class QkNorm { none, of_heads, of_rows };  // of_rows: over all heads of a row at once (OLMoE)

  int heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, output_bias = false;
  QkNorm qk_norm = QkNorm::none;
  bool zero_centred = false;  // norms multiply by 1 + their weights
  bool gated = false;  // q_proj has a gate after each head's query: what is attended to is multiplied by its sigmoid
  bool sinks = false;  // as of CacheQueries
  int window = 0;      // a row sees the last so many positions; 0: all
  float clip = 0;      // queries, keys and values are clamped to ± this; 0: not
  float scale = 0;     // of scores; 0: 1 / sqrt(head_dim)
  float eps = 1e-6f;
  int rope = 0;  // which of DecoderSpec::ropes; negative: none

  std::int64_t kv_size() const { return static_cast<std::int64_t>(kv_heads) * head_dim; }
  std::int64_t q_size() const { return static_cast<std::int64_t>(heads) * head_dim; }
};

class Attention : public Block {
 public:
  // Tensors of `path`, e.g. "model.layers.0.self_attn". read: width of what it attends with, if not hidden.
  Attention(WeightFile& file, const std::string& path, const AttentionSpec& spec, int hidden,
            std::optional<int> read = {});

  // normed: (rows, reads()).
  void add(const Pass& pass, int layer, const float* normed, float* x) const override;
  std::unique_ptr<LayerCache> new_cache(const Engine& engine, int capacity) const override;
  std::int64_t reads() const { return q_.in; }

 private:
  struct Rows;

  AttentionSpec spec_;
  Weight q_, k_, v_, o_;
  std::vector<float> q_bias_, k_bias_, v_bias_, o_bias_;  // empty if the architecture has none
  std::vector<float> q_norm_, k_norm_;
  std::vector<float> sinks_;
};

}  // namespace specdec
