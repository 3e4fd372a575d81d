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
#include "core/kernels/attention.h"
#include "core/kernels/laws.h"
#include "core/kernels/recurrence.h"

namespace specdec {

// Rows of activations as int8 with one float32 scale per group of 32: x ~ scale * q.
inline constexpr std::int64_t kQ8Group = 32;

struct Q8Rows {
  const std::int8_t* q = nullptr;  // (rows, stride)
  const float* scale = nullptr;    // (rows, stride / 32)
  const float* sum = nullptr;      // (rows, stride / 32): scale * sum of the group's q
  std::int64_t stride = 0;         // elements of a row, a multiple of 32
};

// A linear map of `in` inputs in panels of 16 outputs, in the order in which a product reads it: one stream, a lane per
// output. A word is 32 bits; "16 words" are one of each output, in their order. Outputs past `out` are zero.
//   f32     for each input: 16 words
//   f16     for each two inputs: 16 words, the first input in the lower half
//   bf16    the same
//   codes4  for each eight inputs: 16 words, input j in bits [8j, 8j + 4) and input 4 + j in bits [8j + 4, 8j + 8) for
//           j < 4
//   codes5  for each 32 inputs: 16 words with the highest bits of the codes, that of input 4j + i in bit j of byte i;
//           then 64 words with their lower four bits as in codes4. Groups are of multiples of 32
//   codes8  for each four inputs: 16 words, a byte each
//   e4m3    the same; a byte is a float of 8 bits (OCP FP8 E4M3)
// Inputs of the first three are padded with zeros to a multiple of 16. The others have scales: each group of inputs
// begins with 16 scales and, if biased, 16 biases; if there are super-groups, each begins with 16 super-scales and, if
// biased, 16 super-biases, and what a group has is multiplied by them.
//   w = scale * (code - centre), or scale * code + bias if biased
inline constexpr std::int64_t kPanel = 16;
enum class PanelKind { f32, f16, bf16, codes4, codes5, codes8, e4m3 };

struct Panels {
  const std::byte* data = nullptr;  // (panels, panel_bytes), aligned to 64
  std::int64_t panel_bytes = 0;
  PanelKind kind = PanelKind::f32;
  DType scale_dtype = DType::bf16;      // of scales and biases: f32, f16, bf16, f8_e8m0, f8_e4m3 or u8
  bool biased = false;                  // never in groups of 16
  std::int64_t group = 0;               // 16, or a multiple of 32
  std::int64_t super_group = 0;         // a multiple of the group; 0 = none
  DType super_dtype = DType::f32;       // f32, f16 or bf16
  float centre = 0;                     // a whole number below 256
  float factor = 1;                     // of every scale of one byte
  float scale_centre = 0;               // a scale of type u8 is factor * (the byte - scale_centre)
  const std::uint8_t* table = nullptr;  // 16 codes of 8 bits that codes4 stand for
  std::int64_t out = 0, in = 0;  // in: if there are groups, a multiple of 32, of 8 for e4m3; not always of the group
};

// What a product may use of `scratch`.
constexpr std::int64_t panel_scratch_bytes(std::int64_t in) { return 16 * ((in + 31) / 32 * 32); }

struct Kernels {
  const char* name;

  // y[i * y_stride + o] = w_o . x_i for all outputs o of w and the selected rows of x. multiply_q8 is for codes;
  // multiply_bf16, for bf16 panels and x, is null where the machine has no such product.
  void (*multiply_f32)(const Panels& w, const float* x, std::int64_t x_stride, const int* rows, std::int64_t count,
                       float* y, std::int64_t y_stride, std::byte* scratch);
  void (*multiply_q8)(const Panels& w, const Q8Rows& x, const int* rows, std::int64_t count, float* y,
                      std::int64_t y_stride, std::byte* scratch);
  void (*multiply_bf16)(const Panels& w, const std::uint16_t* x, std::int64_t x_stride, const int* rows,
                        std::int64_t count, float* y, std::int64_t y_stride, std::byte* scratch);

  // One row; zeros up to the next multiple of 32.
  void (*quantise)(const float* x, std::int64_t n, std::int8_t* q, float* scale, float* sum);
  // out = x * rsqrt(mean(x^2) + eps) * w; returns the mean of x^2, which is not finite if an input is not.
  float (*rms_norm)(const float* x, const float* w, std::int64_t n, float eps, float* out);
  void (*softmax)(float* x, std::int64_t n);
  void (*sigmoid)(float* x, std::int64_t n);                                           // of each element
  void (*silu_times)(const float* gate, const float* up, std::int64_t n, float* out);  // out = silu(gate) * up
  void (*widen_bf16)(const std::uint16_t* x, std::int64_t n, float* out);
  void (*widen_f16)(const std::uint16_t* x, std::int64_t n, float* out);
  void (*narrow_bf16)(const float* x, std::int64_t n, std::uint16_t* out);  // rounds to nearest, ties to even

  const AttentionKernels* attention;
  const LawKernels* laws;
  const RecurrenceKernels* recurrence;
};

// Levels compiled in and supported by this machine, best first; "generic" is always the last.
std::span<const Kernels* const> kernel_levels();

}  // namespace specdec
