// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1), with the maps from latents to keys and
// values absorbed: queries go into the space of the latents, and what is attended to comes out of it. So a position
// keeps one latent, as key and as value, and one rotated key for all heads, and a pass of many rows gives the bits of
// passes of one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/blocks/block.h"
#include "core/blocks/indexer.h"
#include "core/weights.h"

namespace specdec {

struct LatentSpec {
  // Of the positions to see, where there is an indexer: the layer's own; lent to layers after it, too; or what the
  // latest layer before it that has an indexer chose in the same pass.
  enum class Choice { own, lent, borrowed };

  int heads = 0;
  int q_rank = 0;               // of the latents that queries are made of; 0: they are made of the stream
  int kv_rank = 0;              // of the latents of keys and values
  int nope = 0, rope_dims = 0;  // of a head's query: what does not rotate, then what does
  int value = 0;                // of a head
  bool biased = false;
  float scale = 1;  // of scores
  int rope = 0;     // which of DecoderSpec::ropes
  std::optional<IndexerSpec> indexer{};
  Choice choice = Choice::own;

  int q_dim() const { return nope + rope_dims; }
  int key_dim() const { return kv_rank + rope_dims; }
  std::int64_t q_size() const { return static_cast<std::int64_t>(heads) * q_dim(); }
  std::int64_t value_size() const { return static_cast<std::int64_t>(heads) * value; }
};

class LatentAttention : public Block {
 public:
  // Tensors of `path`, e.g. "model.layers.0.self_attn".
  LatentAttention(WeightFile& file, const std::string& path, const LatentSpec& spec, int hidden);

  void add(const Pass& pass, int layer, const float* normed, float* x) const override;
  std::unique_ptr<LayerCache> new_cache(const Engine& engine, int capacity) const override;
  const char* why_never_skipped() const override;

 private:
  struct Rows;

  void load_heads(WeightFile& file, const std::string& path);

  LatentSpec spec_;
  Weight q_a_, q_, kv_a_, o_;                 // without q_rank there is no q_a
  std::vector<Weight> to_latent_, to_value_;  // of each head: its query to the latents', what it attends to from theirs
  std::vector<float> q_a_bias_, kv_a_bias_, o_bias_;
  std::vector<float> q_norm_, kv_norm_;
  std::optional<Indexer> indexer_;
};

}  // namespace specdec
