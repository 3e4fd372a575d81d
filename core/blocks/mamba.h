// Mamba2 (Dao and Gu, arXiv 2405.21060): of a head, S = exp(-rate dt) S + B (x) dt x and y = S^T C + D x, where
// neighbouring heads share B and C.
#pragma once

#include <limits>

#include "core/blocks/recurrent_block.h"

namespace specdec {

struct MambaSpec {
  int heads = 0, head_dim = 0;
  int groups = 0;  // of heads that share B and C, and of channels that are normed together
  int state = 0;   // width of B and C
  int taps = 0;
  bool biased = false, conv_biased = false;  // projections, the convolution
  float eps = 1e-5f;
  float least_step = 0, most_step = std::numeric_limits<float>::infinity();  // of dt
  float lengthened_step = 1e-3f;                                             // the least if steps are lengthened

  MambaSpec lengthened() const {
    MambaSpec spec = *this;
    spec.least_step = lengthened_step;
    spec.most_step = std::numeric_limits<float>::infinity();
    return spec;
  }
  std::int64_t inner() const { return static_cast<std::int64_t>(heads) * head_dim; }
  std::int64_t convolved() const { return inner() + 2L * groups * state; }
};

class Mamba : public RecurrentBlock {
 public:
  // Tensors of `path`, e.g. "backbone.layers.0.mixer".
  Mamba(WeightFile& file, const std::string& path, const MambaSpec& spec, int hidden);
  void step(const Engine& engine, const RecurrentStep& step) const override;

 private:
  void read_row(float* products, float* inputs) const override;
  void finish_row(const Engine& engine, const float* products, float* y) const override;

  MambaSpec spec_;
  std::vector<float> skip_;  // D, (heads)
};

}  // namespace specdec
