// A layer that carries a state from row to row: projections, a causal convolution over some of their outputs, a linear
// recurrence of heads, a gated norm, a projection back. What is its own is a kind's: core/blocks/mamba.h, delta_net.h.
#pragma once

#include <string>
#include <vector>

#include "core/blocks/block.h"
#include "core/blocks/recurrent_cache.h"
#include "core/weights.h"

namespace specdec {

struct RecurrentWeights {
  std::vector<Weight> in;  // a row of products is their outputs side by side
  Weight out;
  std::vector<float> in_bias, out_bias, conv_bias;  // empty if there are none
  std::vector<float> conv;                          // (taps, channels)
  std::vector<float> rate, dt_bias;                 // (heads): exp(A_log)
  std::vector<float> norm;
};

// Whether it is stored as MLX does, (channels, taps, 1) instead of (channels, 1, taps).
bool is_mlx_convolution(const StoredTensor& weight);

class RecurrentBlock : public Block, public Recurrence {
 public:
  void add(const Pass& pass, int layer, const float* normed, float* x) const override;
  std::unique_ptr<LayerCache> new_cache(const Engine& engine, int capacity) const override;
  const RecurrentShape& shape() const override { return shape_; }

 protected:
  RecurrentBlock(Part part, const RecurrentShape& shape) : shape_(shape), part_(part) {}

  // What a step reads, as of RecurrentShape, from a row of products, which then only finish_row sees.
  virtual void read_row(float* products, float* inputs) const = 0;
  // y (heads, values): what the steps say, to what is projected back.
  virtual void finish_row(const Engine& engine, const float* products, float* y) const = 0;

  void load_common(WeightFile& file, const std::string& path, bool conv_biased);
  // Channels [first, first + count) of the step's row, convolved.
  void convolve(const Engine& engine, const RecurrentStep& step, std::int64_t first, std::int64_t count,
                float* out) const;
  // Of a head: the logarithm of how much its state keeps in a step is -rate * softplus(dt + dt_bias).
  float softplus_of(int head, float dt) const;

  RecurrentShape shape_;
  RecurrentWeights weights_;

 private:
  Part part_;
};

}  // namespace specdec
