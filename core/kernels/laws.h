// Loops over a vocabulary: logits, and laws of the next token as weights.
#pragma once

#include <cstdint>

namespace specdec {

struct LawKernels {
  // NaN if one of them is.
  float (*largest)(const float* x, std::int64_t n);
  // The first place of `value`; n if it is nowhere.
  std::int64_t (*position_of)(const float* x, std::int64_t n, float value);
  // out = exp((x - top) / temperature), 0 where that is below 1e-37; returns the sum. inverse: 1 / temperature.
  double (*weigh)(const float* x, std::int64_t n, float top, float inverse, float* out);
  double (*sum)(const float* x, std::int64_t n);
  // out = max(0, of_p * p - of_q * q); returns the sum.
  double (*excess)(const float* p, float of_p, const float* q, float of_q, std::int64_t n, float* out);
};

// Of the best level of this machine.
const LawKernels& law_kernels();

}  // namespace specdec
