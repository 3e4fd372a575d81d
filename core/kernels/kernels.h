// The inner loops, one table of functions per instruction-set level. Every function computes each output element in an
// order that depends on nothing but its own inputs: that is what makes rows invariant.
//
// "rows" arguments select rows of a row-major matrix: row i is base + rows[i] * stride, or base + i * stride if rows is
// null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"

namespace specdec {

// Rows of activations as int8 with one float32 scale per group of 32: x ~ scale * q. Buffers are padded to kQ8Block.
inline constexpr std::int64_t kQ8Group = 32;
inline constexpr std::int64_t kQ8Block = 128;

struct Q8Rows {
  const std::int8_t* q = nullptr;      // (rows, stride), in order
  const std::int8_t* split = nullptr;  // (rows, stride), each block of 128: the 64 even elements, then the 64 odd ones
  const float* scale = nullptr;        // (rows, stride / 32)
  const float* sum = nullptr;          // (rows, stride / 32): scale * sum of the group's q
  std::int64_t stride = 0;             // elements of a row, a multiple of kQ8Block
};

// An affine-quantised matrix (MLX layout): w = scale[g] * code + bias[g].
struct AffineMatrix {
  const std::uint8_t* codes = nullptr;  // (out, row_bytes)
  std::int64_t row_bytes = 0;
  const std::byte* scale = nullptr;  // (out, scale_row_bytes)
  const std::byte* bias = nullptr;
  std::int64_t scale_row_bytes = 0;
  DType scale_dtype = DType::bf16;  // bf16, f16 or f32
  std::int64_t out = 0, in = 0;
  std::int64_t group = 0;  // 32, 64 or 128
};

struct Kernels {
  const char* name;

  // y[i * y_stride] = w . x_i for the selected rows of x, n elements each.
  void (*dot)(const float* w, std::int64_t n, const float* x, std::int64_t x_stride, const int* rows,
              std::int64_t count, float* y, std::int64_t y_stride);
  // y[i * y_stride + o] = w_o . x_i for all rows o of an affine matrix against int8 activations: 8-bit codes, and 4-bit
  // codes, two a byte, low nibble first.
  void (*dot_affine8)(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                      std::int64_t y_stride);
  void (*dot_affine4)(const AffineMatrix& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                      std::int64_t y_stride);

  // out += sum over i of p[i] * v_i, n elements each, in an order that depends on i alone.
  void (*weighted_sum)(const float* p, const float* v, std::int64_t v_stride, const int* rows, std::int64_t count,
                       std::int64_t n, float* out);

  void (*quantise)(const float* x, std::int64_t n, std::int8_t* q, std::int8_t* split, float* scale, float* sum);
  // out = x * rsqrt(mean(x^2) + eps) * w; returns the mean of x^2, which is not finite if an input is not.
  float (*rms_norm)(const float* x, const float* w, std::int64_t n, float eps, float* out);
  void (*softmax)(float* x, std::int64_t n);
  void (*silu_times)(const float* gate, const float* up, std::int64_t n, float* out);  // out = silu(gate) * up
  void (*widen_bf16)(const std::uint16_t* x, std::int64_t n, float* out);
  void (*widen_f16)(const std::uint16_t* x, std::int64_t n, float* out);
};

// Levels compiled in and supported by this machine, best first; "generic" is always the last.
std::span<const Kernels* const> kernel_levels();

}  // namespace specdec
