// Gated DeltaNet (Yang, Kautz and Hatamizadeh, arXiv 2412.06464): of a head, S = decay S, then
// S += k (x) rate (v - S^T k) and y = S^T q, where q and k have length 1 and neighbouring heads share them.
#pragma once

#include "core/blocks/recurrent_block.h"

namespace specdec {

struct DeltaNetSpec {
  int key_heads = 0, value_heads = 0;
  int key_dim = 0, value_dim = 0;
  int taps = 0;
  // Qwen3-Next: two projections, in_proj_qkvz and in_proj_ba, each of one key head after the other. Qwen3.5: four,
  // in_proj_qkv, in_proj_z, in_proj_b and in_proj_a.
  bool by_key_head = false;
  float eps = 1e-6f;

  int sharing() const { return value_heads / key_heads; }
  std::int64_t keys() const { return static_cast<std::int64_t>(key_heads) * key_dim; }
  std::int64_t values() const { return static_cast<std::int64_t>(value_heads) * value_dim; }
  std::int64_t convolved() const { return 2 * keys() + values(); }
};

class DeltaNet : public RecurrentBlock {
 public:
  // Tensors of `path`, e.g. "model.layers.0.linear_attn".
  DeltaNet(WeightFile& file, const std::string& path, const DeltaNetSpec& spec, int hidden);
  void step(const Engine& engine, const RecurrentStep& step) const override;

 private:
  void read_row(float* products, float* inputs) const override;
  void finish_row(const Engine& engine, const float* products, float* y) const override;

  DeltaNetSpec spec_;
};

}  // namespace specdec
