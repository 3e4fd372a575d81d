// Steps of linear recurrences, which keep a matrix for each head instead of keys and values. A state is
// (keys, padded values), zero past the values: see padded_values.
#pragma once

#include <cstdint>

namespace specdec {

constexpr std::int64_t padded_values(std::int64_t values) { return (values + 15) / 16 * 16; }

struct RecurrenceKernels {
  // Channels [first, first + count) of a causal convolution, and of its silu: the sum over taps of
  // rows[tap][channel] * weights[tap * stride + channel], plus a bias unless it is null.
  void (*convolve)(const float* const* rows, int taps, const float* weights, std::int64_t stride, const float* bias,
                   std::int64_t first, std::int64_t count, float* out);
  // out = state^T key, (padded).
  void (*recall)(const float* state, std::int64_t keys, std::int64_t padded, const float* key, float* out);
  // to = decay * from + key (x) value; out = to^T query. value, out: (padded), and value zero past the values. to may
  // be from.
  void (*update)(const float* from, std::int64_t keys, std::int64_t padded, float decay, const float* key,
                 const float* value, const float* query, float* to, float* out);
};

}  // namespace specdec
