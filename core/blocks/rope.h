// Rotary position embedding (Su et al., arXiv 2104.09864) of the first d elements of a head: half-split, the pairs
// (i, i + d/2), or interleaved, the pairs (2i, 2i + 1).
#pragma once

#include <optional>
#include <vector>

#include "core/config.h"

namespace specdec {

struct Rope {
  int dims = 0;                    // elements of a head that rotate; the rest pass through
  std::vector<float> frequencies;  // (dims / 2), radians per position
  bool interleaved = false;
  float magnitude = 1;  // what is rotated is multiplied by it (YaRN's attention factor)
};

// What config.json says, as transformers reads it: rope_scaling if it says anything, else rope_parameters; rope_theta
// and partial_rotary_factor inside of these or beside them. Types: default, linear, proportional, llama3, yarn (Peng et
// al., arXiv 2309.00071), dynamic and longrope (Ding et al., arXiv 2402.13753) within the context that needs no
// stretching, and factors (by which each frequency is divided, as GGUF has them). partial_fallback 0: heads rotate as a
// whole, whatever the key says.
Rope read_rope(const ConfigReader& config, int head_dim, double partial_fallback, double theta_fallback);
// The same from what scales the frequencies; none: default.
Rope make_rope(const ConfigReader& config, const std::optional<ConfigReader>& scaling, double theta, int head_dim,
               double partial_fallback = 0);

// The positions that a model sees: max_position_embeddings, but where longrope would change the frequencies of what is
// already cached, only those before that.
int read_context(const ConfigReader& config, int fallback);

// What scales the frequencies by config.json; nothing: nothing does.
std::optional<ConfigReader> rope_scaling(const ConfigReader& config);
// By how much it stretches the context: its `factor`, or the context by the original one. Throws Error if it has
// neither.
double rope_stretch(const ConfigReader& config, const ConfigReader& scaling);

// YaRN's g(factor, mscale): 0.1 mscale ln(factor) + 1, or 1 if nothing is stretched.
double yarn_magnitude(double factor, double mscale);

// Cosines, then sines of one position: (dims / 2) each.
void rope_angles(const Rope& rope, int position, float* angles);
void rotate(const Rope& rope, const float* angles, float* head);

}  // namespace specdec
