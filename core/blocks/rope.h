// Rotary position embedding, half-split: pair (i, i + d/2) of the first d elements of a head (Su et al., arXiv
// 2104.09864).
#pragma once

#include <span>
#include <vector>

#include "core/config.h"

namespace specdec {

struct Rope {
  int dims = 0;                    // elements of a head that rotate; the rest pass through
  std::vector<float> frequencies;  // (dims / 2), radians per position
};

// Reads rope_parameters (transformers 5) or rope_theta, rope_scaling and partial_rotary_factor.
// Types: default, linear, llama3, and factors (by which each frequency is divided, as GGUF has them); others are
// refused by name.
Rope read_rope(const ConfigReader& config, int head_dim, double partial_fallback);

// cosines and sines of one position: (dims / 2) each.
void rope_angles(const Rope& rope, int position, float* cosines, float* sines);
void rotate(float* head, int dims, const float* cosines, const float* sines);

}  // namespace specdec
